"""Signals that a system may lack."""

import importlib
import signal
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
