"""Shards that lie elsewhere, brought to every node before a command reads them: one process a node fetches."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.messages import say
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.remote.fetch import Report, Source, fetch, is_remote, look_up_or_recall
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import CartoonError, ShardError

ROUND_SECONDS = 0.5
"""How often the processes hear of one another: an error on one node ends the waiting on all."""
IDLE_SECONDS = 900.0
"""How long a process that fetches may go without a byte: longer than all tries of a file take together."""
Found = TypeVar("Found")


def fetched(settings: TrainSettings) -> TrainSettings:
    """The settings with each set of shards that lies elsewhere replaced by the folder in which it lies now, on this
    node. Waits for the other processes; ShardError on all of them when one cannot fetch."""
    data = settings.data
    photos, cartoons = (_folder(place, Path(data.cache)) for place in (data.photos, data.cartoons))
    return replace(settings, data=replace(data, photos=photos, cartoons=cartoons))


def _folder(place: str, cache: Path) -> str:
    if not is_remote(place):
        return place
    source = _look_up(place, cache)
    _together(partial(fetch, source, cache), mine=collectives.local_rank() == 0, label=f"fetch {place}")
    return str(source.folder(cache))


def _look_up(url: str, cache: Path) -> Source:
    """The set's manifest: one process reads it and tells, as another might see the set in another state."""
    work = partial(look_up_or_recall, url, cache)
    [(source, warning)] = _together(lambda _: work(), mine=collectives.is_main(), label=f"look up {url}")
    if warning:
        say(f"warning: {warning}")
    return source


class _State(NamedTuple):
    """How far a process is with its work."""

    who: str
    done: int
    total: int
    idle_seconds: float
    is_over: bool
    failure: str


class _LeftError(Exception):
    """The work's process no longer waits for it."""


class _Job(threading.Thread, Generic[Found]):
    """Work in a thread of its own, so that its process goes on talking with the others. Ends with its process."""

    def __init__(self, work: Callable[[Report], Found]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.found: list[Found] = []
        self.error: BaseException | None = None
        self.left = threading.Event()
        self.done, self.total, self.since = 0, 0, time.monotonic()
        self.who = f"process {collectives.rank()} on {socket.gethostname()}"

    def run(self) -> None:
        """Do the work and keep what it brings, or its error."""
        try:
            self.found.append(self.work(self._note))
        except BaseException as error:  # noqa: BLE001 (the process's main thread raises it again)
            self.error = error

    def _note(self, done: int, total: int) -> None:
        if self.left.is_set():
            raise _LeftError
        self.done, self.total, self.since = done, total, time.monotonic()

    def state(self) -> _State:
        """For the other processes."""
        idle, failure = time.monotonic() - self.since, str(self.error or "") or repr(self.error)
        return _State(self.who, self.done, self.total, idle, not self.is_alive(), failure if self.error else "")


def _together(work: Callable[[Report], Found], *, mine: bool, label: str) -> list[Found]:
    """Let some processes do the work while all wait for it; what it brought, in the order of the ranks.

    Raises ShardError on all processes when the work fails on one, or stands still there.
    """
    job = _Job(work) if mine else None
    if job:
        job.start()
    try:
        with Progress(total=0, unit="MB", label=label, shown=collectives.is_main()) as progress:
            while not _is_over(job, label, progress):
                pass
    finally:
        if job:
            job.left.set()
    return [found for part in collectives.gather(job.found if job else []) for found in part]


def _is_over(job: _Job[Found] | None, label: str, progress: Progress) -> bool:
    """One round: hear how far the others are."""
    if job:
        job.join(ROUND_SECONDS)
    states = [state for state in collectives.gather(job.state() if job else None) if state]
    if job and job.error and not isinstance(job.error, CartoonError):
        raise job.error
    failures = sorted({state.failure for state in states if state.failure})
    failures += [
        f"{label}: {state.who} has had no byte for {IDLE_SECONDS:g} s; see whether its node reaches the server"
        for state in states
        if state.idle_seconds > IDLE_SECONDS and not state.is_over
    ]
    if failures:
        raise ShardError("; ".join(failures))
    working = [state for state in states if not state.is_over]
    if working:
        slowest = min(working, key=lambda state: state.done)
        progress.update(slowest.done // 10**6, f"of {slowest.total / 1e6:.0f}, waiting for {slowest.who}")
    return not working
