"""The processes of a shard job, and what is said to them."""

import os
import signal
from pathlib import Path

import pytest

from cartoon_dist.data.prepare import Task
from cartoon_dist.data.sources import Source
from cartoon_dist.data.workers import work_through
from cartoon_dist.errors import ShardError

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
