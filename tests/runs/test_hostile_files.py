"""Untrusted content of a run folder or an export ends in an error on one line, and soon."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.config.reading import check, read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.runs import checkpoint, export_file, trained
from cartoon_dist.runs.layout import RunFolder
from tests.hostile import JSON, REFUSED

CONTENTS = [content for content, _ in REFUSED.values()]


@pytest.mark.parametrize("content", CONTENTS, ids=REFUSED)
def test_an_invalid_config_is_refused(content: str | bytes, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.config.write_bytes(content if isinstance(content, bytes) else content.encode())
    for use in (
        lambda: trained.read_run_config(run.config),
        lambda: run.check_same(read(TrainSettings, [], ["run_dir=x"])),
    ):
        with pytest.raises(CheckpointError, match=r"config\.yaml: ") as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", JSON)
def test_an_invalid_checkpoint_manifest_is_refused(content: str | bytes, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).checkpoint(3)
    folder.mkdir()
    (folder / "manifest.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    newest, [error] = checkpoint.newest(RunFolder(tmp_path))
    assert newest is None
    assert "manifest.json" in error
    with pytest.raises(CheckpointError, match="holds no whole checkpoint"):
        trained.load(tmp_path, weights="ema")


@pytest.mark.parametrize(
    "values",
    [{}, {"step": 3}, {"step": "3", "files": {}}, {"step": 3, "files": []}, {"step": 3, "files": {"a\0": "b"}}],
)
def test_a_checkpoint_manifest_with_wrong_values_is_refused(values: dict[str, object], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path).checkpoint(3)
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"format": 1} | values))
    newest, errors = checkpoint.newest(RunFolder(tmp_path))
    assert (newest, len(errors)) == (None, 1)


@pytest.mark.parametrize("content", JSON)
def test_an_invalid_exit_record_is_ignored(content: str | bytes, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.exit.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run.exit_status() is None


@pytest.mark.parametrize(
    "config",
    [
        *(text for text in JSON if isinstance(text, str)),
        '{"run_dir": "x", "model": {"num_blocks": 10000000}}',
        '{"run_dir": "x", "model": {"channels": 100000}}',
        '{"run_dir": "x", "model": {"channels": 1024, "num_blocks": 256}}',
        '{"run_dir": "x", "image_size": 1000000000}',
        '{"run_dir": "a\\nb"}',
        '{"run_dir": "x", "seed": ' + "9" * 4000 + "}",
    ],
    ids=lambda text: text[:40],
)
def test_invalid_settings_of_an_export_are_refused(config: str, tmp_path: Path) -> None:
    strings = {"cartoon_dist": "1", "config": config, "weights": "ema", "step": "3"}
    with pytest.raises(CheckpointError, match="its config cannot be read"):
        export_file.from_strings(strings, tmp_path / "a.safetensors")


@pytest.mark.parametrize("step", ["", "x", "9" * 5000, "-1", "1e3"])
def test_an_invalid_step_of_an_export_is_refused(step: str, tmp_path: Path) -> None:
    strings = export_file.to_strings(
        export_file.ExportMetadata(settings=TrainSettings(run_dir="x"), weights="raw", step=3)
    )
    with pytest.raises(CheckpointError, match="its config cannot be read"):
        export_file.from_strings(strings | {"step": step}, tmp_path)


class Largest(TorchDispatchMode):
    """Records the size of the largest tensor that is allocated."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and not made.is_meta:
            self.numbers = max(self.numbers, made.numel())
        return made


@pytest.mark.slow
def test_a_network_larger_than_the_file_is_never_built(tmp_path: Path) -> None:
    small = read(TrainSettings, [], ["run_dir=x", "model.channels=2", "model.num_blocks=0"])
    large = read(TrainSettings, [], ["run_dir=x", "model.channels=512", "model.num_blocks=1"])
    tensors = trained.networks_from_config.build_networks(small)["generator"].state_dict()
    file = tmp_path / "a.safetensors"
    file.write_bytes(
        export_file.to_safetensors(tensors, export_file.ExportMetadata(settings=large, weights="raw", step=3))
    )
    with Largest() as largest, pytest.raises(CheckpointError, match="does not fit the config"):
        trained.load(file, weights="raw")
    assert largest.numbers < 10_000  # one of its kernels alone has 37 million


def test_the_largest_networks() -> None:
    for channels, num_blocks in ((1024, 0), (512, 12), (64, 256), (128, 252)):
        check(TrainSettings, {"run_dir": "x", "model": {"channels": channels, "num_blocks": num_blocks}})
    with pytest.raises(ConfigError, match=r"model\.num_blocks: 13 blocks of model\.channels=512 .* use 12 or fewer"):
        check(TrainSettings, {"run_dir": "x", "model": {"channels": 512, "num_blocks": 13}})


@pytest.mark.parametrize("place", ["/data/~me/photos", "/data/~", "/data/$HOME", "/data/$x", "/", "https://a/~b"])
def test_an_export_holds_folder_names_without_special_characters(place: str, tmp_path: Path) -> None:
    (tmp_path / "$x").mkdir()
    settings = TrainSettings(run_dir=str(tmp_path / "$x"))
    settings = check(
        TrainSettings, {"run_dir": "x", "data": {"photos": place if "$" not in place else f"{tmp_path}/$x"}}
    )
    strings = export_file.to_strings(export_file.ExportMetadata(settings=settings, weights="raw", step=3))
    name = export_file.from_strings(strings, tmp_path).settings.data.photos
    assert "$" not in name
    assert "~" not in name
