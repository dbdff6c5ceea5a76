"""Which jobs go back into the queue; programs that stand in for Slurm's write down how they are called."""

import os
from pathlib import Path

import pytest

from cartoon_dist.cluster.requeue import MAX_RESTARTS, REQUEUE_VARIABLE, requeue


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job 7 in the environment, with Slurm's programs; the file that lists their calls."""
    called = tmp_path / "calls"
    programs = {"squeue": 'cat "$STATE"', "scontrol": 'exit "$(cat "$SCONTROL")"'}
    for name, line in programs.items():
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {called}\n{line}\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for key, value in {"SLURM_JOB_ID": "7", REQUEUE_VARIABLE: "yes"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    for key, value in {"STATE": "RUNNING\n", "SCONTROL": "0"}.items():
        monkeypatch.setenv(key, str(tmp_path / key))
        (tmp_path / key).write_text(value)
    return called


def test_a_running_job_goes_back_once(calls: Path) -> None:
    assert requeue() == "job 7 goes back into the queue"
    assert calls.read_text() == "squeue --noheader --jobs 7 --format %T\nscontrol requeue 7\n"


@pytest.mark.parametrize(("state", "reason"), [("COMPLETING\n", "completing"), ("PENDING\n", "pending"), ("", "gone")])
def test_only_a_running_job_is_requeued(calls: Path, state: str, reason: str) -> None:
    (calls.parent / "STATE").write_text(state)
    assert requeue() == f"job 7 is left to Slurm ({reason})"
    assert "scontrol" not in calls.read_text()


@pytest.mark.parametrize("missing", ["SLURM_JOB_ID", REQUEUE_VARIABLE])
def test_a_job_that_does_not_ask_for_it_is_not_requeued(
    calls: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(missing)
    assert requeue() == ""
    assert not calls.exists()


def test_a_job_does_not_come_back_for_ever(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(MAX_RESTARTS))
    assert "is not put back" in requeue()
    assert not calls.exists()


def test_a_refused_requeue_is_a_warning(calls: Path) -> None:
    (calls.parent / "SCONTROL").write_text("1")
    assert requeue().startswith("warning: job 7 could not be put back into the queue (")
