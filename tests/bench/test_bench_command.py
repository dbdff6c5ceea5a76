"""`python -m bench`: all measurements or those that are named; one that fails stops no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import __main__ as command
from bench.ratios import Measured, summarise


def measured(name: str) -> Measured:
    return summarise([(1.0, 2.0)], name=name, goal=1.0, better="lower", against="something known")


def works() -> Iterator[Measured]:
    yield measured("first")


def fails() -> Iterator[Measured]:
    yield measured("before the failure")
    raise ValueError("planted")


@pytest.fixture(autouse=True)
def _two_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MEASUREMENTS", {"fails": fails, "works": works})


def test_one_that_fails_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([], tmp_path / "bench.jsonl") == 1
    out, err = capsys.readouterr()
    assert "ValueError: planted" in err
    assert "| before the failure |" in out
    assert "| first |" in out
    assert "fails: failed, see above; alone: python -m bench fails" in out


def test_those_that_are_named_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["works"], tmp_path / "bench.jsonl") == 0
    assert "before the failure" not in capsys.readouterr().out


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(["other"])
    assert "there is no other; there are fails, works" in capsys.readouterr().err
