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

from cartoon_dist.console.escape import escape_line
from cartoon_dist.console.signals import ignore_signals
from cartoon_dist.cpu.cores import num_usable_cores
from cartoon_dist.data.build.prepare import PictureTask
from cartoon_dist.errors import ShardError

Result = TypeVar("Result")

# Each worker is one thread: several would fight over the cores, and sums in another order would be other bytes.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_TASKS_PER_WORKER = 4
"""Tasks in flight for each worker: enough to keep it busy while the parent writes, few enough to bound the memory."""
TASK_TIMEOUT_SECONDS = 3600.0
"""How long the parent waits for one picture: far longer than the largest takes. When a worker hangs, mostly on a
network disk, the job ends and names the picture."""
_EXIT_DELAY_SECONDS = 5.0
"""A worker that gets SIGTERM exits after this time, so that its parent can report the stop first."""


def map_in_order(
    tasks: Iterable[PictureTask], work: Callable[[PictureTask], Result], *, num_workers: int | None
) -> Generator[Result, None, None]:
    """Yield work(task) for each task, in the order of the tasks, computed by num_workers processes (None: one a core;
    1: in this process).

    Raises ShardError when a worker dies, nearly always for lack of memory, or hangs.
    """
    num_workers = num_workers or num_usable_cores()
    if num_workers == 1:
        cv2.setNumThreads(1)
        yield from map(work, tasks)
        return
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    # Numerical libraries read these when they are imported, before init_worker runs.
    os.environ.update(_ONE_THREAD)
    pool = ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=init_worker)
    try:
        in_flight: deque[tuple[PictureTask, Future[Result]]] = deque()
        for task in tasks:
            in_flight.append((task, pool.submit(work, task)))
            if len(in_flight) >= num_workers * _TASKS_PER_WORKER:
                yield _wait_for(pool, *in_flight.popleft())
        while in_flight:
            yield _wait_for(pool, *in_flight.popleft())
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


def kill_pool(pool: ProcessPoolExecutor) -> None:
    """Kill a pool's processes, whatever they do; otherwise the program would wait for them when it exits."""
    for process in [*(pool._processes or {}).values()]:
        process.kill()
    pool.shutdown(wait=False, cancel_futures=True)


def _wait_for(pool: ProcessPoolExecutor, task: PictureTask, result: "Future[Result]") -> Result:
    try:
        return result.result(TASK_TIMEOUT_SECONDS)
    except TimeoutError:
        if result.done():  # the TimeoutError came from the work itself
            raise
        kill_pool(pool)
        raise ShardError(
            f"{escape_line(task.path)}: no worker was done with {escape_line(task.picture.name)} in "
            f"{TASK_TIMEOUT_SECONDS:g} s; see whether the disk answers, then give the same command again to go on"
        ) from None


def init_worker() -> None:
    """Set up a worker process: one thread, exits with its parent, ignores the signals that the parent handles.

    A terminal interrupts the whole process group and a scheduler signals all of a job's processes. The parent reacts; a
    worker that died of the signal would look like one that was killed. So on SIGTERM a worker exits, but a little
    later.
    """
    cv2.setNumThreads(1)
    ignore_signals("SIGINT", "SIGUSR2", "SIGBREAK")
    signal.signal(signal.SIGTERM, _exit_later)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_later(*_: object) -> None:
    timer = threading.Timer(_EXIT_DELAY_SECONDS, os._exit, [1])
    timer.daemon = True
    timer.start()


def _exit_with_parent() -> None:
    # A killed parent cannot end its workers, and each worker's own end of the task queue keeps the queue open.
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
