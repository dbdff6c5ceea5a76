"""The GPU's measurements, rehearsed on the CPU: that the code works, not how fast anything is."""

import pytest
import torch

from bench import gpu
from cartoon_dist.config import TrainSettings, read


@pytest.mark.skipif(torch.cuda.is_available(), reason="a rehearsal, for where there is no GPU")
@pytest.mark.parametrize("kind", ["plain", "generator"])  # compiling takes minutes
def test_a_measurement_is_a_row(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "STEPS", 2)
    settings = read(TrainSettings, [], ["batch_size=2", *gpu.REHEARSAL], run_dir="none")
    row = gpu.measure(settings, kind, 16)
    assert (row.device, row.kind, row.batch_size, row.refused) == ("cpu", kind, 2, "")
    assert row.steps_per_second > 0
    assert gpu.in_words(row).count("|") == 8


def test_what_cannot_be_measured_is_a_row_with_its_reason() -> None:
    settings = read(TrainSettings, [], ["loss.content.weight=0", "warmup.loss=pixel", *gpu.REHEARSAL], run_dir="none")
    row = gpu.measure(settings, "iteration", 18)
    assert "18x18 does not fit" in row.refused
    assert "18x18" in gpu.in_words(row)


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 0
    assert capsys.readouterr().out == "bench.gpu: not run, there is no CUDA device\n"
