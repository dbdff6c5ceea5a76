"""A captured run that is stopped and taken up by another process's state: what it would have been in one go, to the
bit."""

import pytest

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.state import copy_to_host
from tests.capture.capturing import capture, differing, settings, train, training_step

pytestmark = pytest.mark.gpu


def gone_on(small: TrainSettings, mode: str, first: TrainingStep, num_steps: int) -> TrainingStep:
    """A new step, which begins where the first is."""
    made = training_step(small, capture(mode))
    made.state.load(num_steps, copy_to_host(first.state.tensors()))
    made.engine.load_scaler_states(first.engine.scaler_states())
    return made


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("mode", ["generator", "iteration"])
def test_stopped_and_resumed_into_capture_it_is_one_go(mode: str, precision: str, *, rehearsal: bool) -> None:
    if precision == "fp16" and rehearsal:
        pytest.skip("fp16 is not computed on a CPU")
    small = settings("ressal_cbam", f"precision={precision}")
    whole, first = training_step(small, capture(mode)), training_step(small, capture(mode))
    train(whole, 12)
    train(first, 6)
    again = gone_on(small, mode, first, 6)
    train(again, 12, first=6)
    assert differing(whole, again) == []
