"""Every kind of model that `load` opens draws the same, as it holds the same weights."""

from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch

from cartoon_dist import load
from cartoon_dist.export.exporter import export_generator
from cartoon_dist.export.model_folder import CardFacts, export_folder
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder, config_text
from cartoon_dist.runs.trained import TrainedGenerator
from tests.export.test_exporter import made, photos

PHOTO = np.random.default_rng(0).integers(0, 256, (32, 44, 3), np.uint8)


def run_with(source: TrainedGenerator, raw: CartoonGenerator, folder: Path) -> Path:
    """A run with a checkpoint of these weights as the running average, and of others as the raw ones."""
    run = RunFolder(folder)
    run.write_config(source.settings)
    tensors = {"ema": source.generator.state_dict(), "generator": raw.state_dict()}
    checkpoint.save(run, source.step, tensors, {}, config=config_text(source.settings))
    return folder


@pytest.mark.slow
def test_a_run_a_checkpoint_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the exporter traces with symbols for sizes
    source, raw = made(), made().generator
    for parameter in raw.parameters():
        parameter.data.mul_(0.5)
    run = run_with(source, raw, tmp_path / "runs/small")
    expected = load(run)(PHOTO)
    assert expected.std() > 10
    assert load(run).source == run / "step-0000003"
    export_generator(source, tmp_path / "small.safetensors", photos(1, 3, 16, 16))
    export_generator(source, tmp_path / "small.onnx", photos(1, 3, 16, 16))
    export_folder(source, tmp_path / "folder", photos(1, 3, 16, 16), CardFacts(), torch.device("cpu"))
    for name in ("runs/small/step-0000003", "small.safetensors", "folder", "folder/model.safetensors"):
        assert np.array_equal(load(tmp_path / name)(PHOTO), expected), name
    assert np.abs(load(tmp_path / "small.onnx")(PHOTO).astype(int) - expected).max() <= 1
    assert not np.array_equal(load(run, weights="raw")(PHOTO), expected)


def test_what_has_no_effect_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    export_folder(made(), tmp_path / "folder", photos(1, 3, 16, 16), CardFacts(), torch.device("cpu"))
    load(tmp_path / "folder", weights="raw")
    assert "weights=raw has no effect on an export" in caplog.text
