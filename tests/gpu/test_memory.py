"""Graphs given back and recorded anew, and many replays: memory stays flat."""

import pytest
import torch

from tests.capture.capturing import capture, run_step, settings, training_step

pytestmark = pytest.mark.gpu
NUM_REPLAYS, NUM_RECORDINGS = 300, 10


def held() -> tuple[int, int]:
    """Bytes that tensors take, and bytes that torch keeps from the device; 0 without one."""
    if not torch.cuda.is_available():
        return 0, 0
    torch.cuda.synchronize()
    return torch.cuda.memory_allocated(), torch.cuda.memory_reserved()


@pytest.mark.parametrize("mode", ["generator", "iteration"])
def test_replays_take_no_memory(mode: str, *, rehearsal: bool) -> None:
    made = training_step(settings("ressal_cbam"), capture(mode))
    with made:
        for number in range(6):
            run_step(made, number)
        before = held()
        for number in range(6, 6 + (4 if rehearsal else NUM_REPLAYS)):
            run_step(made, number)
        assert held() <= before


def test_recording_again_and_again_takes_no_memory(*, rehearsal: bool) -> None:
    made = training_step(settings("ressal_cbam"), capture("iteration"))
    seen = []
    with made:
        for turn in range(3 if rehearsal else NUM_RECORDINGS):
            for number in range(4):
                run_step(made, 4 * turn + number)
            made.wrapped["gan"].release()
            if not rehearsal:
                torch.cuda.empty_cache()
            seen.append(held())
    # The first turns make what stays: moments, workspaces of libraries.
    assert all(now <= seen[2] for now in seen[3:]), seen
