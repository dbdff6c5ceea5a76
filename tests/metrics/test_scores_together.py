"""Several processes record scores in one file: none is lost, and an error names the process that has the lock."""

import json
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.locks import lock_file
from cartoon_dist.metrics.score_file import Score, read_scores, record_scores

NUM_PROCESSES, NUM_RECORDS = 6, 8


def score(step: int) -> Score:
    return Score(
        metric="fid", value=1.0, features="inception", weights_sha256="", num_generated=2, num_real=2, step=step,
        protocol={},
    )  # fmt: skip


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does the work and ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which do nothing here
        child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def test_each_of_several_processes_keeps_what_the_others_have_recorded(tmp_path: Path) -> None:
    path, (ready, begin) = tmp_path / "scores.json", os.pipe()

    def work(process: int) -> None:
        os.close(begin)
        os.read(ready, 1)  # until all are there
        for step in range(NUM_RECORDS):
            record_scores(path, [score(process * NUM_RECORDS + step)])

    children = [forked(lambda process=process: work(process)) for process in range(NUM_PROCESSES)]
    os.close(begin)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * NUM_PROCESSES
    os.close(ready)
    assert sorted(score["step"] for score in read_scores(path)) == list(range(NUM_PROCESSES * NUM_RECORDS))
    assert [left.name for left in tmp_path.iterdir()] == ["scores.json"]


def test_who_holds_it_is_named_and_a_kill_lets_it_go(tmp_path: Path) -> None:
    path, (ready, holds) = tmp_path / "scores.json", os.pipe()

    def hold() -> None:
        with lock_file(path, CheckpointError):
            os.write(holds, b"x")
            signal.pause()

    child = forked(hold)
    try:
        assert os.read(ready, 1) == b"x"
        said = f"scores.json: process {child} on .* has held it for 0 s; wait for it or stop it"
        with pytest.raises(CheckpointError, match=said), lock_file(path, CheckpointError, seconds=0):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert [left.name for left in tmp_path.iterdir()] == [".scores.json.lock"]
    record_scores(path, [score(3)])
    assert [score["step"] for score in json.loads(path.read_text())] == [3]
    assert [left.name for left in tmp_path.iterdir()] == ["scores.json"]


def test_a_lock_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"scores.json: cannot be written \("):
        record_scores(tmp_path / "file/scores.json", [score(1)])
