"""CUDA graphs of a step beside plain steps: to the bit, for every row, precision and mode; and a recording that
fails."""

from itertools import product

import pytest
import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.train.loop import TrainingStep
from tests.capture.capturing import PLAIN, ROWS, WORDS, capture, differing, run_step, settings, train, training_step
from tests.capture.faults import reads_back
from tests.running import ROOT

pytestmark = pytest.mark.gpu
NUM_STEPS, NUM_WARMUP = 20, 5
REHEARSED = 8, 4
LARGE_SCALE = 2.0**34
"""Of fp16's losses: gradients overflow at first, and no more after some halvings."""

CASES = [
    (*case, 1)
    for case in product(
        ("ressal_cbam", "animegan", "cartoongan", "sal", "sal_cbam"),
        ("fp32", "bf16", "fp16"),
        ("generator", "iteration"),
    )
] + [("ressal_cbam", precision, mode, 2) for precision, mode in (("fp32", "generator"), ("bf16", "iteration"))]
"""Row, precision, mode, and in how many parts a batch comes."""
QUICK = {
    ("ressal_cbam", precision, mode, 1) for precision in ("fp32", "bf16", "fp16") for mode in ("generator", "iteration")
}
QUICK |= {("animegan", "bf16", "iteration", 1), ("ressal_cbam", "fp32", "generator", 2)}


def of(row: str, *words: str) -> TrainSettings:
    """The settings of a row of Table 1 or of AnimeGAN, with clipping."""
    if row in ROWS:
        return settings(row, *words)
    return read(TrainSettings, [ROOT / f"configs/baseline/{row}.yaml"], [*WORDS, *words], run_dir="none")


def overflowing(made: TrainingStep) -> None:
    """Scales so large that the first steps of fp16 overflow."""
    for scaler in made.engine.scalers.values():
        if scaler.is_enabled():
            scaler.load_state_dict(scaler.state_dict() | {"scale": LARGE_SCALE})


@pytest.mark.parametrize(
    ("row", "precision", "mode", "num_parts"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow) for case in CASES],
)
def test_a_captured_step_is_the_plain_one_to_the_bit(
    row: str, precision: str, mode: str, num_parts: int, *, rehearsal: bool
) -> None:
    if precision == "fp16" and rehearsal:
        pytest.skip("fp16 is not computed on a CPU")
    small = of(row, f"precision={precision}", f"accumulate={num_parts}")
    plain, recorded = training_step(small, PLAIN, overflowing), training_step(small, capture(mode), overflowing)
    num_steps, num_warmup = REHEARSED if rehearsal else (NUM_STEPS, NUM_WARMUP)
    expected = train(plain, num_steps, num_warmup=num_warmup)
    found = train(recorded, num_steps, num_warmup=num_warmup)
    if precision == "fp16":
        skipped = [told["skipped/generator"] for told in expected]
        assert skipped[0] == 1.0
        assert skipped[-1] == 0.0
    assert [_comparable(told) for told in found] == [_comparable(told) for told in expected]
    assert differing(plain, recorded) == []


def _comparable(told: dict[str, float]) -> dict[str, str]:
    """Figures as text: one that is no number equals itself."""
    return {name: repr(value) for name, value in told.items()}


def test_a_recording_that_fails_leaves_training_and_torch_as_they_were(*, rehearsal: bool) -> None:
    small = settings("ressal_cbam")
    plain = training_step(small, PLAIN, reads_back)
    recorded = training_step(small, capture("iteration", require=False), reads_back)
    for number in range(8):
        run_step(plain, number)
        run_step(recorded, number)
    assert "reads a number back" in recorded.wrapped["gan"].refused or not rehearsal
    assert recorded.wrapped["gan"].refused
    assert differing(plain, recorded) == []
    if rehearsal:
        return
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    torch.rand(4, device="cuda")  # the generator draws, also after it was part of a recording
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    for number in range(8, 16):
        run_step(recorded, number)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() <= before
