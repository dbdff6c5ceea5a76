"""The metadata of an exported file, and the files that are refused."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import export_file, networks_from_config, trained

WORDS = ["model.channels=4", "model.num_blocks=1", "data.photos=/far/away/photos", "data.cartoons=/far/off/ghibli"]


def metadata(*more: str) -> export_file.ExportMetadata:
    settings = read(TrainSettings, [], [*WORDS, *more], run_dir="/home/someone/runs/hayao")
    return export_file.ExportMetadata(settings=settings, weights="raw", step=12)


def write_export(path: Path, written: export_file.ExportMetadata) -> dict[str, torch.Tensor]:
    tensors = dict(networks_from_config.build_networks(written.settings)["generator"].state_dict())
    path.write_bytes(export_file.to_safetensors(tensors, written))
    return tensors


def test_the_file_alone_is_enough_to_build_the_generator(tmp_path: Path) -> None:
    tensors = write_export(tmp_path / "a.safetensors", metadata("upsample=resize"))
    # Asked for the average, an export gives what it holds, and says so.
    loaded = trained.load(tmp_path / "a.safetensors", weights="ema")
    assert (loaded.weights, loaded.step, loaded.settings.upsample) == ("raw", 12, "resize")
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in loaded.generator.state_dict().items())
    assert not loaded.generator.training


def test_float64_stays_float64(tmp_path: Path) -> None:
    loaded = metadata()
    tensors = networks_from_config.build_networks(loaded.settings)["generator"].double().state_dict()
    (tmp_path / "a.safetensors").write_bytes(export_file.to_safetensors(tensors, loaded))
    generator = trained.load(tmp_path / "a.safetensors", weights="ema").generator
    assert {parameter.dtype for parameter in generator.parameters()} == {torch.float64}


def test_a_published_file_says_nothing_about_the_machine(tmp_path: Path) -> None:
    write_export(tmp_path / "a.safetensors", metadata())
    content = (tmp_path / "a.safetensors").read_bytes()
    assert b"someone" not in content
    assert b"far" not in content
    assert trained.load(tmp_path / "a.safetensors", weights="ema").settings.data.cartoons == "ghibli"


def test_two_folders_of_the_same_name_stay_distinct(tmp_path: Path) -> None:
    strings = export_file.to_strings(metadata("data.cartoons=/other/photos"))
    read = export_file.from_strings(strings, tmp_path)
    assert read.settings.data.photos != read.settings.data.cartoons


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (self.trace,))  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.ckpt", "model", "model.safetensors"])
def test_a_pickled_model_is_refused_without_being_executed(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "executed"
    content = pickle.dumps(Bomb(trace))
    pickle.loads(content)
    assert trace.exists()  # the bomb works
    trace.unlink()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match="launch/export"):
        trained.load(tmp_path / name, weights="ema")
    assert not trace.exists()


def test_other_peoples_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for metadata in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(3)}, path, metadata)
        with pytest.raises(CheckpointError, match="no generator of ours"):
            trained.load(path, weights="ema")
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no safetensors file"):
        trained.load(path, weights="ema")


def test_a_later_format_and_a_damaged_config_are_refused(tmp_path: Path) -> None:
    strings = export_file.to_strings(metadata())
    with pytest.raises(CheckpointError, match="format 9, this release reads format 1"):
        export_file.from_strings(strings | {"cartoon_dist": "9"}, tmp_path)
    config = json.loads(strings["config"])
    for spoilt in ("{", json.dumps(config | {"seed": "many"}), json.dumps(config | {"new": 1}), "[]"):
        with pytest.raises(CheckpointError, match="its config cannot be read"):
            export_file.from_strings(strings | {"config": spoilt}, tmp_path)
    with pytest.raises(CheckpointError, match="its config cannot be read"):
        export_file.from_strings({key: value for key, value in strings.items() if key != "step"}, tmp_path)


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path: Path) -> None:
    loaded = metadata()
    tensors = networks_from_config.build_networks(metadata("model.num_blocks=2").settings)["generator"].state_dict()
    (tmp_path / "a.safetensors").write_bytes(export_file.to_safetensors(tensors, loaded))
    with pytest.raises(CheckpointError, match="does not fit the config"):
        trained.load(tmp_path / "a.safetensors", weights="ema")
