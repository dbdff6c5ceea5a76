"""A captured run that is stopped and taken up by another process's state: what it would have been in one go, to the
bit."""

import pytest

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.train.phases import Phases
from cartoon_dist.train.state import on_host
from tests.capture.capturing import capture, differing, phases, settings, train

pytestmark = pytest.mark.gpu


def gone_on(small: TrainSettings, mode: str, first: Phases, num_steps: int) -> Phases:
    """New phases, which begin where the first are."""
    made = phases(small, capture(mode))
    made.state.load(num_steps, on_host(first.state.tensors()))
    made.engine.load_scaler_states(first.engine.scaler_states())
    return made


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("mode", ["generator", "iteration"])
def test_stopped_and_resumed_into_capture_it_is_one_go(mode: str, precision: str, *, rehearsal: bool) -> None:
    if precision == "fp16" and rehearsal:
        pytest.skip("fp16 is not computed on a CPU")
    small = settings("ressal_cbam", f"precision={precision}")
    whole, first = phases(small, capture(mode)), phases(small, capture(mode))
    train(whole, 12)
    train(first, 6)
    again = gone_on(small, mode, first, 6)
    train(again, 12, first=6)
    assert differing(whole, again) == []
