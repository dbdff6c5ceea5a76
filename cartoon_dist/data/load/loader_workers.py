"""Processes that read batches ahead of a training process, into memory that they share with it.

On Linux they are forked before the training process has started CUDA, NCCL or a thread: a fork after that inherits
locks and driver state without the threads that serve them, and DDP's documentation warns of deadlocks. So the object
that reads is sent to them later, through a pipe. Only the list of damaged samples is sent back: pictures are in shared
memory. Elsewhere workers are new interpreters: Windows has no fork, and macOS's own libraries do not survive one.
"""

import ctypes
import gc
import math
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from mmap import mmap
from multiprocessing import connection, get_context
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Never, Protocol, Self, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from cartoon_dist.console.signals import STOP_SIGNALS, ignore_signals

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection
else:
    from multiprocessing.connection import Connection

ANSWER_TIMEOUT_SECONDS = 600
"""How long a process waits for a worker's answer: longer than any storage should take for a batch."""
STEPS_AHEAD = 2
"""How many steps each worker may read ahead."""
_EXIT_TIMEOUT_SECONDS = 5.0
"""How long a worker may take to exit; one that hangs on dead storage is killed."""

SharedMemory = mmap | ctypes.Array[ctypes.c_uint8]
START_METHOD = "fork" if hasattr(os, "fork") and sys.platform != "darwin" else "spawn"
"""How workers are started."""
Buffers = list[NDArray[np.uint8]]
"""Pictures and companions of both domains, (n, size, size, c) each, as they are decoded; the device permutes them."""


class StepReader(Protocol):
    """The object that workers use: it reads the local batch of a step into buffers."""

    def read(self, step: int, buffers: Buffers) -> object:
        """What the training process needs to know beside the pictures; an error is returned as a value."""
        ...


class LoaderWorkers:
    """Worker processes, each with buffers for STEPS_AHEAD local batches; leaving the `with` block ends them.

    num_workers: 0 starts no process; the caller then reads by itself. shapes: of a local batch's four arrays.
    """

    def __init__(self, num_workers: int, shapes: list[tuple[int, ...]]) -> None:
        self.num_workers = num_workers
        context = cast("SpawnContext", get_context(START_METHOD))  # all have the same functions
        memory = [[_shared_memory(context, shape) for shape in shapes] for _ in range(num_workers * STEPS_AHEAD)]
        self._buffers = _as_arrays(memory, shapes)
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        # A forked process inherits OpenCV's thread pool without its threads, and would wait for them for ever.
        cv2.setNumThreads(1)
        ends = [connection.Pipe() for _ in range(num_workers)]
        for worker, (_, theirs) in enumerate(ends):
            # Only a fork inherits what was not given to it.
            others = [end for pair in ends for end in pair if end is not theirs] if START_METHOD == "fork" else []
            self._pipes.append(ends[worker][0])
            process = context.Process(target=_serve, args=(theirs, others, memory, shapes), daemon=True)
            _start(process)
            self._processes.append(process)
        for _, theirs in ends:
            theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()  # a worker exits when its pipe is closed
        for process in self._processes:
            process.join(_EXIT_TIMEOUT_SECONDS)
            if process.is_alive():
                process.kill()
                process.join(_EXIT_TIMEOUT_SECONDS)  # one that waits for a lost disk cannot even be killed

    def read_ahead(self, reader: StepReader, *, first: int, end: int) -> Iterator[tuple[Buffers, object]]:
        """Yields for steps first..end-1, in order, the buffers that hold the local batch (valid until the next one is
        requested) and what `read` returned. WorkerError, with the reason, where a worker was killed or does not answer;
        RuntimeError, with the worker's traceback, where it failed."""
        for pipe in self._pipes:
            pipe.send(reader)
        for step in range(first, min(end, first + len(self._buffers))):
            self._request(step, first)
        for step in range(first, end):
            answer = self._answer((step - first) % self.num_workers)
            yield self._buffers[(step - first) % len(self._buffers)], answer
            if step + len(self._buffers) < end:
                self._request(step + len(self._buffers), first)

    def _request(self, step: int, first: int) -> None:
        offset = step - first
        try:
            self._pipes[offset % self.num_workers].send((step, offset % len(self._buffers)))
        except OSError:  # the worker's end of the pipe is closed
            self._raise_exit_reason(offset % self.num_workers)

    def _answer(self, worker: int) -> object:
        pipe, process = self._pipes[worker], self._processes[worker]
        ready = connection.wait([pipe, process.sentinel], timeout=ANSWER_TIMEOUT_SECONDS)
        if not ready:
            raise WorkerError(f"a loader worker has not answered for {ANSWER_TIMEOUT_SECONDS} s")
        if pipe not in ready:
            self._raise_exit_reason(worker)
        try:
            answer = pipe.recv()
        except (EOFError, OSError):
            self._raise_exit_reason(worker)
        if isinstance(answer, _Failure):
            raise RuntimeError(f"a loader worker failed:\n{answer.trace}")
        return answer

    def _raise_exit_reason(self, worker: int) -> Never:
        process = self._processes[worker]
        process.join(_EXIT_TIMEOUT_SECONDS)
        status = process.exitcode
        how = f"was killed by signal {-status}" if status is not None and status < 0 else f"exited with {status}"
        raise WorkerError(f"a loader worker {how}")


class WorkerError(Exception):
    """A worker has exited or does not answer."""


class _Failure:
    """The traceback of a worker's exception, which is a bug."""

    def __init__(self, trace: str) -> None:
        self.trace = trace


def _start(process: BaseProcess) -> None:
    """Start a worker; garbage is not collected from the fork on until the worker has set aside what it inherits."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            # Python warns of any thread at a fork; those of BLAS and OpenMP, which imports start, survive one.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    finally:
        if was_enabled:
            gc.enable()


def _serve(
    pipe: Connection, others: list[Connection], memory: list[list[SharedMemory]], shapes: list[tuple[int, ...]]
) -> None:
    """Read the requested steps until the training process closes the pipe.

    Ignores the signals to stop: a terminal or a scheduler signals the whole process group, the training process handles
    them, and its workers serve it until it exits.
    """
    # What the training process has left in cycles is not collected here: to close a film's encoder, for one, waits for
    # the encoder's threads, which no fork has, for ever. It also keeps the inherited memory pages shared.
    gc.freeze()
    gc.enable()
    ignore_signals(*(number.name for number in STOP_SIGNALS))
    for other in others:
        other.close()  # else this worker would keep the pipes of a killed training process open
    cv2.setNumThreads(1)
    all_buffers = _as_arrays(memory, shapes)
    try:
        reader: StepReader = pipe.recv()
        while True:
            request = pipe.recv()
            if isinstance(request, tuple):
                step, slot = request
                pipe.send(_read(reader, step, all_buffers[slot]))
            else:
                reader = request
    except (EOFError, OSError):
        return


def _read(reader: StepReader, step: int, buffers: Buffers) -> object:
    try:
        return reader.read(step, buffers)
    except Exception:  # noqa: BLE001  whatever it was, the training process reports it
        return _Failure(traceback.format_exc())


def _shared_memory(context: SpawnContext, shape: tuple[int, ...]) -> SharedMemory:
    """Memory for an array, of at least a byte: a batch of no samples has none to map."""
    num_bytes = max(1, math.prod(shape))
    # What is inherited takes no room in /dev/shm, of which containers have 64 MB.
    return mmap(-1, num_bytes) if START_METHOD == "fork" else context.RawArray(ctypes.c_uint8, num_bytes)


def _as_arrays(memory: list[list[SharedMemory]], shapes: list[tuple[int, ...]]) -> list[Buffers]:
    return [[_as_array(part, shape) for part, shape in zip(parts, shapes, strict=True)] for parts in memory]


def _as_array(memory: SharedMemory, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.frombuffer(memoryview(memory), np.uint8)[: math.prod(shape)].reshape(shape)
