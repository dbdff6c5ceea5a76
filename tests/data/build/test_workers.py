"""The worker processes of a shard job, and the signals that they get."""

import os
import signal
from multiprocessing import active_children
from pathlib import Path

import pytest

from cartoon_dist.data.build import workers
from cartoon_dist.data.build.prepare import PictureTask
from cartoon_dist.data.build.workers import map_in_order
from cartoon_dist.data.inputs.sources import InputPicture
from cartoon_dist.errors import ShardError
from tests.running import LIMIT_SECONDS

pytestmark = pytest.mark.slow

TASKS = [PictureTask(number, Path(), InputPicture("a.png", "a", "train", 1)) for number in range(12)]


def terminate(task: PictureTask) -> int:
    """Send SIGTERM to this worker, as a scheduler does to all of a job's processes."""
    os.kill(os.getpid(), signal.SIGTERM)
    return task.position


def killed(task: PictureTask) -> int:
    if task.position == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return task.position


def test_workers_that_get_sigterm_finish_their_tasks() -> None:
    assert list(map_in_order(TASKS, terminate, num_workers=2)) == list(range(12))


def test_a_killed_worker_is_reported() -> None:
    with pytest.raises(ShardError, match="give the same command a smaller num_workers="):
        list(map_in_order(TASKS, killed, num_workers=2))


def stuck(task: PictureTask) -> int:
    """As on a disk that no longer answers."""
    if task.position == 0:
        signal.pause()
    return task.position


def test_a_hanging_worker_is_reported_and_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "TASK_TIMEOUT_SECONDS", 0.1)
    with pytest.raises(ShardError, match=r"no worker was done with a\.png in 0\.1 s; see whether the disk answers"):
        list(map_in_order(TASKS, stuck, num_workers=2))
    for child in active_children():
        child.join(LIMIT_SECONDS)
        assert not child.is_alive()
