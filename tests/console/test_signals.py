"""Signals that a system may lack."""

import importlib
import signal
import sys
from collections.abc import Iterator

import pytest

from cartoon_dist.console import signals


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    importlib.reload(signals)


def test_signals_that_ask_to_stop_are_those_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {signal.SIGTERM, signal.SIGINT} <= set(signals.STOP_SIGNALS)
    monkeypatch.delattr(signal, "SIGUSR2", raising=False)
    assert importlib.reload(signals).STOP_SIGNALS == (signal.SIGTERM, signal.SIGINT)


def test_a_signal_that_the_system_lacks_is_passed_over() -> None:
    signals.ignore_signals("SIGTERM", "SIGNOTHING")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_what_takes_too_long_is_ended_and_the_alarm_is_given_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TimeoutError, match="too long"), signals.time_limit(0.05, TimeoutError("too long")):
        signal.pause()
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


class _MetByTheAlarm:
    """Its destructor goes on until the alarm rings in it; what is raised there Python drops."""

    def __del__(self) -> None:
        while True:
            pass


def _meet_the_alarm_in_a_destructor() -> None:
    _MetByTheAlarm()
    signal.pause()


def test_an_alarm_that_is_lost_in_a_destructor_rings_again() -> None:
    before = sys.unraisablehook
    with pytest.raises(TimeoutError, match="too long"), signals.time_limit(0.05, TimeoutError("too long")):
        _meet_the_alarm_in_a_destructor()
    assert sys.unraisablehook is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_other_faults_of_destructors_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty:
        def __del__(self) -> None:
            raise ValueError("planted")

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: told.append(str(args.exc_value)))
    with signals.time_limit(60, TimeoutError("too long")):
        Faulty()
    assert told == ["planted"]


def test_a_system_without_alarms_lets_the_block_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer")
    with signals.time_limit(0.0, TimeoutError("too long")):
        done = sum(range(1000))
    assert done == 499500
