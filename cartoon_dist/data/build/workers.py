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

from cartoon_dist.console.escape import on_a_line
from cartoon_dist.data.build.prepare import Task
from cartoon_dist.errors import ShardError

Result = TypeVar("Result")

# Each worker is one thread: several would fight over the cores, and sums in another order would be other bytes.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_TASKS_AHEAD = 4
"""Tasks in flight a worker: enough to keep it busy while the parent writes, few enough to bound the memory."""
WAIT_SECONDS = 3600.0
"""How long one picture is waited for: far longer than the largest takes, so that what stands still, mostly a disk on
the network, ends the job by name."""
_PATIENCE_SECONDS = 5.0
"""How long a worker that was told to end leaves the word to its parent."""


def work_through(
    tasks: Iterable[Task], work: Callable[[Task], Result], *, num_workers: int | None
) -> Generator[Result, None, None]:
    """Do the work on each task, in so many processes (as many as cores when None); one worker works in this process.

    Raises ShardError when a worker dies, which is nearly always a lack of memory, or stands still.
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
        flying: deque[tuple[Task, Future[Result]]] = deque()
        for task in tasks:
            flying.append((task, pool.submit(work, task)))
            if len(flying) >= num_workers * _TASKS_AHEAD:
                yield _waited_for(pool, *flying.popleft())
        while flying:
            yield _waited_for(pool, *flying.popleft())
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


def kill(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes, whatever they do: without this the program waits for them when it ends."""
    for process in [*(pool._processes or {}).values()]:
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)


def _waited_for(pool: ProcessPoolExecutor, task: Task, result: "Future[Result]") -> Result:
    try:
        return result.result(WAIT_SECONDS)
    except TimeoutError:
        if result.done():  # it was the work's own
            raise
        kill(pool)
        raise ShardError(
            f"{on_a_line(task.path)}: no worker was done with {on_a_line(task.picture.name)} in {WAIT_SECONDS:g} s; "
            "see whether the disk answers, then give the same command again to go on"
        ) from None


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
