"""A run that was trained on a GPU is exported, compared there and on the CPU."""

from pathlib import Path

import pytest
import torch

from tests.running import script, tiny, train

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Four steps, the last ones captured."""
    folder = tmp_path_factory.mktemp("gpu") / "run"
    name = "cpu" if request.config.getoption("--rehearse-gpu") else "cuda"
    words = ["max_steps=8", "warmup.steps=1", f"device={name}", "capture.mode=iteration", "capture.require=true"]
    done = train(tiny(shards, folder, *words))
    assert done.returncode == 0, done.stderr
    assert f"1 process on {name}" in done.stderr
    return folder


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_an_export_draws_as_the_trained_one(run: Path, tmp_path: Path, suffix: str, device: torch.device) -> None:
    for name in dict.fromkeys((device.type, "cpu")):
        out = tmp_path / f"{name}.{suffix}"
        done = script("launch/export.py", run, out, f"device={name}")
        assert done.returncode == 0, done.stderr
        assert out.stat().st_size > 1000
        assert "differs from the trained generator by" in done.stdout
