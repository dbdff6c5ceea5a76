"""Being asked to stop."""

import os
import signal
from collections.abc import Iterator

import pytest

from cartoon_dist.errors import ShardError
from cartoon_dist.train.preempt import SIGNALS, StopRequest


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks(number: signal.Signals) -> None:
    stop = StopRequest(max_hours=None)
    assert not stop.agreed("")
    os.kill(os.getpid(), number)
    assert stop.agreed("")
    os.kill(os.getpid(), number)  # a second one does no harm
    assert stop.agreed("")
    assert stop.reason == f"signal {number.name}"


def test_the_clock_asks() -> None:
    assert not StopRequest(max_hours=1.0).agreed("")
    stop = StopRequest(max_hours=1e-12)
    assert stop.agreed("")
    assert "max_hours" in stop.reason


def test_a_share_that_cannot_be_read_is_an_error_even_when_asked_to_stop() -> None:
    stop = StopRequest(max_hours=1e-12)
    with pytest.raises(ShardError, match="photo 3 is gone"):
        stop.agreed("photo 3 is gone")
