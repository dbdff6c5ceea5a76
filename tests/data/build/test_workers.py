"""The processes of a shard job, and what is said to them."""

import os
import signal
from multiprocessing import active_children
from pathlib import Path

import pytest

from cartoon_dist.data.build import workers
from cartoon_dist.data.build.prepare import Task
from cartoon_dist.data.build.workers import work_through
from cartoon_dist.data.inputs.sources import Source
from cartoon_dist.errors import ShardError
from tests.running import LIMIT_SECONDS

pytestmark = pytest.mark.slow

TASKS = [Task(number, Path(), Source("a.png", "a", "train", 1)) for number in range(12)]


def told_to_end(task: Task) -> int:
    """What a scheduler does to all of a job's processes, perhaps to the workers first."""
    os.kill(os.getpid(), signal.SIGTERM)
    return task.position


def killed(task: Task) -> int:
    if task.position == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return task.position


def test_workers_that_are_told_to_end_leave_the_word_to_their_parent() -> None:
    assert list(work_through(TASKS, told_to_end, num_workers=2)) == list(range(12))


def test_a_killed_worker_is_told_of() -> None:
    with pytest.raises(ShardError, match="give the same command a smaller num_workers="):
        list(work_through(TASKS, killed, num_workers=2))


def stuck(task: Task) -> int:
    """As on a disk that no longer answers."""
    if task.position == 0:
        signal.pause()
    return task.position


def test_a_worker_that_stands_still_is_named_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WAIT_SECONDS", 0.1)
    with pytest.raises(ShardError, match=r"no worker was done with a\.png in 0\.1 s; see whether the disk answers"):
        list(work_through(TASKS, stuck, num_workers=2))
    for child in active_children():
        child.join(LIMIT_SECONDS)
        assert not child.is_alive()
