"""Processes that prepare pictures side by side; results come back in the order of the tasks, however many there are."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

import cv2

from cartoon_dist.data.prepare import Task
from cartoon_dist.errors import ShardError

Result = TypeVar("Result")

# Each worker is one thread: several would fight over the cores, and sums in another order would be other bytes.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_TASKS_AHEAD = 4
"""Tasks in flight a worker: enough to keep it busy while the parent writes, few enough to bound the memory."""
_PATIENCE_SECONDS = 5.0
"""How long a worker that was told to end leaves the word to its parent."""


def work_through(
    tasks: Iterable[Task], work: Callable[[Task], Result], *, num_workers: int | None
) -> Generator[Result, None, None]:
    """Do the work on each task, in so many processes (as many as cores when None); one worker works in this process.

    Raises ShardError when a worker dies, which is nearly always a lack of memory.
    """
    num_workers = num_workers or len(os.sched_getaffinity(0))
    if num_workers == 1:
        cv2.setNumThreads(1)
        yield from map(work, tasks)
        return
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)  # numerical libraries read these when they are imported: before any of our code runs
    pool = ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=start_worker)
    try:
        flying: deque[Future[Result]] = deque()
        for task in tasks:
            flying.append(pool.submit(work, task))
            if len(flying) >= num_workers * _TASKS_AHEAD:
                yield flying.popleft().result()
        while flying:
            yield flying.popleft().result()
    except BrokenProcessPool:
        raise ShardError(
            "a worker process was killed, mostly for want of memory; give the same command a smaller num_workers="
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def start_worker() -> None:
    """Set up a worker: one thread, gone when its parent is, deaf to what is said to the parent.

    A terminal interrupts the whole group and a scheduler signals all of a job's processes; the parent answers, and a
    worker that died of it would look like one that was killed. So one that is told to end does so, but a little later.
    """
    cv2.setNumThreads(1)
    for number in (signal.SIGINT, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave_late)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_late(*_: object) -> None:
    last = threading.Timer(_PATIENCE_SECONDS, os._exit, [1])
    last.daemon = True
    last.start()


def _leave_with_parent() -> None:
    # A killed parent cannot end its workers, and each worker's own end of the task queue keeps the queue open.
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
