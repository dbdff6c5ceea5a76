"""Weights that are not finite, or of another network, are refused by name wherever a file is read."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint, export_file, networks_from_config, trained
from cartoon_dist.runs.export_file import ExportMetadata
from cartoon_dist.runs.layout import RunFolder, config_text
from cartoon_dist.runs.load_tensors import first_non_finite, load_tensors

NAMED = r"ema\.safetensors: (\S+) holds numbers that are not finite, .*use an earlier checkpoint"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float8_e4m3fn])
def test_the_first_tensor_that_is_not_finite_is_named(dtype: torch.dtype) -> None:
    good = {"count": torch.tensor(3), "a": torch.ones(2).to(dtype), "empty": torch.empty(0, dtype=dtype)}
    assert first_non_finite(good.items()) == ""
    bad = good | {"b": torch.tensor([1.0, math.nan]).to(dtype), "c": torch.tensor([math.nan]).to(dtype)}
    assert first_non_finite(bad.items()) == "b"
    assert first_non_finite([]) == ""


def test_tensors_that_do_not_fit_leave_the_network_unchanged() -> None:
    network = nn.Linear(2, 1)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    right = {name: tensor + 1 for name, tensor in before.items()}
    wrong = {
        "it has no tensor bias": {"weight": right["weight"]},
        r"weight has the shape \[1\] instead of \[1, 2\]": right | {"weight": torch.ones(1)},
        "its tensor more is of no use": right | {"more": torch.ones(1)},
        "bias holds numbers that are not finite": right | {"bias": torch.tensor([math.inf])},
    }
    for said, tensors in wrong.items():
        with pytest.raises(CheckpointError, match=f"^a file: .*{said}"):
            load_tensors(network, tensors, "a file")
        assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    load_tensors(network, right, "a file")
    assert all(torch.equal(tensor, right[name]) for name, tensor in network.state_dict().items())


def made(tmp_path: Path, *words: str) -> tuple[TrainSettings, dict[str, torch.Tensor]]:
    settings = read(TrainSettings, [], ["model.channels=4", "model.num_blocks=1", *words], run_dir=str(tmp_path))
    return settings, dict(networks_from_config.build_networks(settings)["generator"].state_dict())


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_checkpoint_or_an_export_that_is_not_finite_is_refused(tmp_path: Path, number: float) -> None:
    settings, tensors = made(tmp_path)
    name = list(tensors)[3]
    spoilt = tensors | {name: torch.full_like(tensors[name], number)}
    run = RunFolder(tmp_path / "run")
    checkpoint.save(run, 1, {"generator": tensors, "ema": spoilt}, {}, config=config_text(settings))
    with pytest.raises(CheckpointError, match=NAMED.replace(r"\S+", name)):
        trained.load(run.root, weights="ema")
    assert trained.load(run.root, weights="raw").step == 1
    file = tmp_path / "ema.safetensors"
    file.write_bytes(export_file.to_safetensors(spoilt, ExportMetadata(settings=settings, weights="ema", step=1)))
    with pytest.raises(CheckpointError, match=NAMED.replace(r"\S+", name)):
        trained.load(file, weights="ema")


@pytest.mark.parametrize(
    ("words", "facts", "copies"),
    [
        (("warmup.steps=2",), {}, True),
        (("warmup.steps=1",), {}, False),
        (("warmup.steps=0",), {}, False),
        (("warmup.epochs=2",), {}, False),  # how many steps that is does not stand in it
        (("warmup.epochs=2",), {"phase": "warmup"}, True),
    ],
)
def test_a_generator_of_the_warmup_is_marked(
    tmp_path: Path,
    words: tuple[str, ...],
    facts: dict[str, str],
    copies: bool,  # noqa: FBT001 (pytest gives it by name)
) -> None:
    settings, tensors = made(tmp_path, *words)
    run = RunFolder(tmp_path / "run")
    checkpoint.save(run, 2, {"generator": tensors, "ema": tensors}, facts, config=config_text(settings))
    loaded = trained.load(run.root, weights="ema")
    assert loaded.is_warmup == copies
    metadata = ExportMetadata(settings=settings, weights="ema", step=2, is_warmup=loaded.is_warmup)
    strings = export_file.to_strings(metadata)
    assert ("phase" in strings) == copies
    assert export_file.from_strings(strings, run.root).is_warmup == copies
