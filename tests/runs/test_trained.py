"""Loading the generator of a run, as it was saved."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint, method_from_config, networks_from_config, trained
from cartoon_dist.runs.layout import RunFolder, config_text
from tests.runs.first_format import to_first_format

SMALL = ["model.channels=4", "model.num_blocks=1"]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Two checkpoints of an untrained run, whose average differs from the raw weights."""
    run = RunFolder(tmp_path / "run")
    settings = read(TrainSettings, [], SMALL, run_dir=str(run.root))
    run.write_config(settings)
    for step in (1, 2):
        tensors = dict(networks_from_config.build_networks(settings)["generator"].state_dict())
        average = {name: tensor + 1 for name, tensor in tensors.items()}
        checkpoint.save(run, step, {"generator": tensors, "ema": average}, {}, config=config_text(settings))
    return run


@pytest.mark.parametrize(("weights", "file"), [("ema", "ema"), ("raw", "generator")])
def test_the_newest_or_the_given_checkpoint_is_loaded(run: RunFolder, weights: str, file: str) -> None:
    for place, step in ((run.root, 2), (run.checkpoint(1), 1)):
        loaded = trained.load(place, weights=weights)  # type: ignore[arg-type]
        assert (loaded.step, loaded.source, loaded.weights) == (step, run.checkpoint(step), weights)
        saved = load_file(run.checkpoint(step) / f"{file}.safetensors")
        assert all(torch.equal(tensor, saved[name]) for name, tensor in loaded.generator.state_dict().items())
        assert not loaded.generator.training
        assert not any(weight.requires_grad for weight in loaded.generator.parameters())


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such run"):
        trained.load(tmp_path / "none", weights="ema")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        trained.load(tmp_path / "empty", weights="ema")


def test_a_damaged_checkpoint_is_skipped_or_refused_when_given(run: RunFolder) -> None:
    (run.checkpoint(2) / "ema.safetensors").write_bytes(b"x")
    assert trained.load(run.root, weights="ema").step == 1
    with pytest.raises(CheckpointError, match=r"ema\.safetensors is not what the manifest says"):
        trained.load(run.checkpoint(2), weights="ema")


def test_a_copied_checkpoint_is_read_by_its_own_config(run: RunFolder, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(run.checkpoint(1), tmp_path / "away" / "best"))
    RunFolder(alone.parent).write_config(read(TrainSettings, [], ["model.channels=6"], run_dir="x"))
    loaded = trained.load(alone, weights="ema")
    assert (loaded.step, loaded.settings.model.channels) == (1, 4)


@pytest.mark.parametrize("spoil", ["missing", "other networks"])
def test_a_checkpoint_of_the_first_format_needs_its_runs_config(run: RunFolder, spoil: str) -> None:
    for step in (1, 2):
        to_first_format(run.checkpoint(step))
    assert trained.load(run.root, weights="ema").step == 2
    if spoil == "missing":
        run.config.unlink()
    else:
        run.write_config(read(TrainSettings, [], ["model.channels=6"], run_dir="x"))
    with pytest.raises(CheckpointError):
        trained.load(run.root, weights="ema")


def test_the_initial_generator_is_the_one_training_begins_with(run: RunFolder) -> None:
    plain = read(TrainSettings, [], ["loss.content.weight=0", "warmup.loss=pixel", *SMALL], run_dir="x")
    initial = method_from_config.build_method(plain, lambda network: network).networks["generator"].state_dict()
    loaded = trained.load_initial(run.root, weights="raw")
    assert (loaded.step, loaded.weights) == (0, "raw")
    assert all(torch.equal(tensor, initial[name]) for name, tensor in loaded.generator.state_dict().items())
    assert loaded.sha256 == trained.load_initial(run.root, weights="ema").sha256
    run.config.unlink()
    with pytest.raises(CheckpointError, match="is no run"):
        trained.load_initial(run.root, weights="ema")
