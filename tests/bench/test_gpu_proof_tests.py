"""Stages that run tests on a GPU: tests that fail, hang or are skipped are counted and told."""

import time
from pathlib import Path
from typing import Any

import pytest

from bench.gpu_proof import gpu_tests, plan
from bench.gpu_proof.record import Session
from bench.gpu_proof.task import NothingToCheckError, StageError, Task
from tests.running import ROOT

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--rehearse-gpu", action="store_true")
def pytest_configure(config):
    config.addinivalue_line("markers", "gpu: needs a GPU")
    config.addinivalue_line("markers", "slow: takes long")
"""
GOOD = "import pytest, time\npytestmark = pytest.mark.gpu\ndef test_good(): pass\n"
BAD = "def test_bad():\n    assert 1 == 2, 'planted'\n"
SLOW = "@pytest.mark.slow\ndef test_slow(): pass\n"
SKIPPED = "import pytest\n@pytest.mark.gpu\n@pytest.mark.skip('one card')\ndef test_skipped(): pass\n"
NOTED = "def test_noted(record_property): record_property('difference', 0.5)\n"
HANGS = "@pytest.mark.timeout(600)\ndef test_hangs(): time.sleep(600)\n"


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, *, seconds: float = 60, rehearse: bool = True
) -> dict[str, Any]:
    folder = tmp_path / "tests" / "gpu"
    folder.mkdir(parents=True)
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_made.py").write_text(code)
    monkeypatch.setattr(gpu_tests, "ROOT", tmp_path)
    session = Session(tmp_path, "session", rehearse)
    session.folder.mkdir()
    return gpu_tests.run(Task("made", session, seconds=seconds, minutes=4, begun=time.monotonic()))


def test_tests_that_pass_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(tmp_path, monkeypatch, GOOD + SLOW + NOTED)
    assert found == {
        "passed": 3,
        "failed": [],
        "skipped": [],
        "noted": {"tests.gpu.test_made::test_noted": {"difference": "0.5"}},
    }


def test_slow_tests_are_left_out_of_a_few_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, monkeypatch, GOOD + SLOW, rehearse=False)["passed"] == 1


def test_a_test_that_fails_keeps_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageError, match=r"test_bad\nAssertionError: planted") as raised:
        run(tmp_path, monkeypatch, GOOD + BAD)
    assert "assert 1 == 2, 'planted'" in str(raised.value)
    assert raised.value.results["passed"] == 1
    assert [name.rpartition("::")[2] for name in raised.value.results["failed"]] == ["test_bad"]


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_told_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageError, match="no_such_package"):
        run(tmp_path, monkeypatch, "import no_such_package\n")


@pytest.mark.slow
def test_a_test_that_hangs_is_stopped_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_tests, "INTERRUPT_SECONDS", 60.0)  # a loaded machine takes its time to end pytest
    with pytest.raises(StageError, match=r"pytest was stopped after \d+ s") as raised:
        run(tmp_path, monkeypatch, GOOD + HANGS, seconds=gpu_tests.KEPT_SECONDS + 20)
    assert raised.value.results["passed"] == 1
    assert "test_made.py:5: KeyboardInterrupt" in str(raised.value)


def test_where_all_are_skipped_there_is_nothing_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NothingToCheckError, match="test_skipped: one card"):
        run(tmp_path, monkeypatch, SKIPPED)


def test_each_file_of_tests_has_its_stage() -> None:
    there = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "gpu").glob("test_*.py")}
    assert there == set(plan.GPU_TESTS)
