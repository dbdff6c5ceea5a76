"""Work that some processes do while all of them wait for it, with a limit on how long it may stand still."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from cartoon_dist.console.progress import Progress
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import CartoonError

Result = TypeVar("Result")
ReportProgress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


class WorkState(NamedTuple):
    """How far a process is with its work."""

    process: str
    done: int
    total: int
    idle_seconds: float
    is_done: bool
    failure: str


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How the processes wait.

    label, unit: what the progress line says. total: how much is to be done, where that is known before. shown: how much
    is done and a note, from the states of all that take part; called while some work. poll_seconds: how often the
    processes exchange their states: an error of one ends the wait of all. stall_seconds: how long one may make no
    progress; stalled: what is said of it then, where `{}` is the limit. error: raised on all processes when one fails
    or stalls.
    """

    label: str
    unit: str
    shown: Callable[[Sequence[WorkState]], tuple[int, str]]
    poll_seconds: float
    stall_seconds: float
    stalled: str
    error: type[CartoonError]
    total: int = 0


class _AbandonedError(Exception):
    """The process no longer waits for the work."""


class _Background(threading.Thread, Generic[Result]):
    """Work in a thread of its own, so that its process can keep in touch with the others. Ends with its process."""

    def __init__(self, work: Callable[[ReportProgress], Result]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.results: list[Result] = []
        self.error: BaseException | None = None
        self.abandoned = threading.Event()
        self.done, self.total, self.since = 0, 0, time.monotonic()
        self.process = f"process {collectives.rank()} on {socket.gethostname()}"

    def run(self) -> None:
        """Do the work and keep its result, or its error."""
        try:
            self.results.append(self.work(self._on_progress))
        except BaseException as error:  # noqa: BLE001 (the process's main thread raises it again)
            self.error = error

    def _on_progress(self, done: int, total: int) -> None:
        if self.abandoned.is_set():
            raise _AbandonedError
        self.done, self.total, self.since = done, total, time.monotonic()

    def state(self) -> WorkState:
        """The progress, for the other processes."""
        idle, failure = time.monotonic() - self.since, str(self.error or "") or repr(self.error)
        return WorkState(self.process, self.done, self.total, idle, not self.is_alive(), failure if self.error else "")


def work_while_waiting(
    work: Callable[[ReportProgress], Result], how: Waiting, *, runs_here: bool = True
) -> list[Result]:
    """Do the work on some processes while all wait for it; returns its results, in the order of the ranks.

    Raises `how.error` on all processes when the work fails or stalls on one.
    """
    job = _Background(work) if runs_here else None
    if job:
        job.start()
    try:
        with Progress(total=how.total, unit=how.unit, label=how.label, shown=collectives.is_main_process()) as progress:
            while not _all_done(job, how, progress):
                pass
            if how.total:
                progress.update(how.total)
    finally:
        if job:
            job.abandoned.set()
    return [result for part in collectives.all_gather(job.results if job else []) for result in part]


def _all_done(job: _Background[Result] | None, how: Waiting, progress: Progress) -> bool:
    """Exchange the progress once; returns whether all work is done."""
    if job:
        job.join(how.poll_seconds)
    states = [state for state in collectives.all_gather(job.state() if job else None) if state]
    if job and job.error and not isinstance(job.error, CartoonError):
        raise job.error
    failures = sorted({state.failure for state in states if state.failure})
    failures += [
        f"{how.label}: {state.process} {how.stalled.format(f'{how.stall_seconds:g} s')}"
        for state in states
        if state.idle_seconds > how.stall_seconds and not state.is_done
    ]
    if failures:
        raise how.error("; ".join(failures))
    is_done = all(state.is_done for state in states)
    if not is_done:
        progress.update(*how.shown(states))
    return is_done
