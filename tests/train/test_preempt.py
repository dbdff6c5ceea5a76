"""Being asked to stop."""

import os
import signal
from collections.abc import Iterator

import pytest

from cartoon_dist.console.signals import STOP_SIGNALS
from cartoon_dist.data.load.loader import DamagedSample
from cartoon_dist.errors import ShardError
from cartoon_dist.train.bad_samples import BadSamples
from cartoon_dist.train.preempt import StopRequest


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def request(max_hours: float | None = None, *, max_damaged: int = 2) -> StopRequest:
    return StopRequest(max_hours=max_hours, bad_samples=BadSamples(max_damaged=max_damaged))


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_asks(number: signal.Signals) -> None:
    stop = request()
    assert not stop.agreed("")
    os.kill(os.getpid(), number)
    assert stop.agreed("")
    os.kill(os.getpid(), number)  # a second one does no harm
    assert stop.agreed("")
    assert stop.reason == f"signal {number.name}"


def test_the_clock_asks() -> None:
    assert not request(1.0).agreed("")
    stop = request(1e-12)
    assert stop.agreed("")
    assert "max_hours" in stop.reason


def test_a_share_that_cannot_be_read_is_an_error_even_when_asked_to_stop() -> None:
    stop = request(1e-12)
    with pytest.raises(ShardError, match="photo 3 is gone"):
        stop.agreed("photo 3 is gone")


def test_damaged_samples_are_named_once_and_borne_up_to_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    stop = request(max_damaged=2)
    for number in (7, 7, 3):
        stop.bad_samples.note([DamagedSample("photo", number, f"sample {number} is bad")])
        assert not stop.agreed("")
    assert capsys.readouterr().err == "".join(
        f"warning: sample {number} is bad; another sample stands in for it\n" for number in (7, 3)
    )
    assert len(stop.bad_samples.known) == 2
    stop.bad_samples.note(
        [DamagedSample("cartoon", 7, "cartoon 7 is bad")]
    )  # another domain's seventh is another sample
    with pytest.raises(ShardError, match=r"^3 damaged samples are more than data\.max_damaged=2: .*cartoon 7 is bad$"):
        stop.agreed("")


def test_with_no_damage_allowed_the_first_is_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    stop = request(max_damaged=0)
    stop.bad_samples.note([DamagedSample("photo", 1, "sample 1 is bad")])
    with pytest.raises(ShardError, match=r"^1 damaged samples are more than data\.max_damaged=0: sample 1 is bad$"):
        stop.agreed("")
    assert capsys.readouterr().err == ""
