"""Processes that read batches ahead of a training process, in memory that they share with it.

They are forked before the training process has started CUDA, NCCL or a thread: a fork after that inherits locks and
driver state without the threads that serve them, and DDP's documentation warns of deadlocks. So what they are to read
is told to them later, through a pipe. Only what is damaged travels back: the pictures lie in the shared memory.
"""

import math
import signal
import traceback
import warnings
from collections.abc import Iterator
from mmap import mmap
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from types import TracebackType
from typing import Never, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

WAIT_SECONDS = 600
"""How long a process waits for a worker: longer than any storage should take for a batch."""
AHEAD = 2
"""Steps that each worker may be ahead."""
_END_SECONDS = 5.0
"""How long a worker may take to end by itself; one that a dead storage holds is killed."""

Room = list[NDArray[np.uint8]]
"""Pictures and companions of both domains, (n, size, size, c) each: as they are decoded. The device turns them."""


class Reads(Protocol):
    """What the workers are given: reads the share of a step into a room."""

    def read(self, step: int, room: Room) -> object:
        """What the training process is to know of the share beside its pictures; an error as a value."""
        ...


class LoaderWorkers:
    """Worker processes, each with rooms for AHEAD shares; leaving the `with` block ends them.

    num_workers: 0 is no process, for whoever reads in its own. shapes: of a share's four sides.
    """

    def __init__(self, num_workers: int, shapes: list[tuple[int, ...]]) -> None:
        self.num_workers = num_workers
        self._rooms = [[_shared(shape) for shape in shapes] for _ in range(num_workers * AHEAD)]
        self._pipes: list[Connection] = []
        self._processes: list[ForkProcess] = []
        # A fork inherits OpenCV's thread pool without its threads, and waits for them for ever.
        cv2.setNumThreads(1)
        ends = [connection.Pipe() for _ in range(num_workers)]
        for number, (_, theirs) in enumerate(ends):
            others = [end for pair in ends for end in pair if end is not theirs]
            self._pipes.append(ends[number][0])
            process = get_context("fork").Process(target=_serve, args=(theirs, others, self._rooms), daemon=True)
            with warnings.catch_warnings():
                # Python warns of any thread at a fork; those of BLAS and OpenMP, which imports start, survive one.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            self._processes.append(process)
        for _, theirs in ends:
            theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()  # a worker ends when nobody is left to ask it
        for process in self._processes:
            process.join(_END_SECONDS)
            if process.is_alive():
                process.kill()
                process.join(_END_SECONDS)  # one that waits for a disk that is gone cannot even be killed

    def read_ahead(self, reads: Reads, *, first: int, end: int) -> Iterator[tuple[Room, object]]:
        """Steps first..end-1 in order: the room that a share was read into, the caller's until the next is asked for,
        and what `read` returned. WorkerError, in plain words, where a worker was killed or does not answer;
        RuntimeError, with its traceback, where it failed."""
        for pipe in self._pipes:
            pipe.send(reads)
        for step in range(first, min(end, first + len(self._rooms))):
            self._ask(step, first)
        for step in range(first, end):
            answer = self._answer((step - first) % self.num_workers)
            yield self._rooms[(step - first) % len(self._rooms)], answer
            if step + len(self._rooms) < end:
                self._ask(step + len(self._rooms), first)

    def _ask(self, step: int, first: int) -> None:
        number = step - first
        try:
            self._pipes[number % self.num_workers].send((step, number % len(self._rooms)))
        except OSError:  # the worker's end of the pipe is closed
            self._say_how_it_ended(number % self.num_workers)

    def _answer(self, worker: int) -> object:
        pipe, process = self._pipes[worker], self._processes[worker]
        ready = connection.wait([pipe, process.sentinel], timeout=WAIT_SECONDS)
        if not ready:
            raise WorkerError(f"a loader worker has not answered for {WAIT_SECONDS} s")
        if pipe not in ready:
            self._say_how_it_ended(worker)
        try:
            answer = pipe.recv()
        except (EOFError, OSError):
            self._say_how_it_ended(worker)
        if isinstance(answer, _Failure):
            raise RuntimeError(f"a loader worker failed:\n{answer.trace}")
        return answer

    def _say_how_it_ended(self, worker: int) -> Never:
        process = self._processes[worker]
        process.join(_END_SECONDS)
        status = process.exitcode
        how = f"was killed by signal {-status}" if status is not None and status < 0 else f"exited with {status}"
        raise WorkerError(f"a loader worker {how}")


class WorkerError(Exception):
    """A worker is gone or silent."""


class _Failure:
    """A worker's exception, which is a bug: its traceback."""

    def __init__(self, trace: str) -> None:
        self.trace = trace


def _serve(pipe: Connection, others: list[Connection], rooms: list[Room]) -> None:
    """Read what is asked for until nobody is left to ask.

    Deaf to requests to stop: a terminal or a scheduler signals the whole group, the training process answers, and its
    workers serve it until it leaves.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    for other in others:
        other.close()  # else this worker would keep the pipes of a killed training process open
    try:
        reads: Reads = pipe.recv()
        while True:
            asked = pipe.recv()
            if isinstance(asked, tuple):
                step, room = asked
                pipe.send(_read(reads, step, rooms[room]))
            else:
                reads = asked
    except (EOFError, OSError):
        return


def _read(reads: Reads, step: int, room: Room) -> object:
    try:
        return reads.read(step, room)
    except Exception:  # noqa: BLE001  whatever it was, the training process tells of it
        return _Failure(traceback.format_exc())


def _shared(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    # An empty share (of an empty batch) has no memory to map.
    return np.frombuffer(mmap(-1, max(1, math.prod(shape))), np.uint8)[: math.prod(shape)].reshape(shape)
