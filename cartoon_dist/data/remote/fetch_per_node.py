"""Fetches remote shards to every node before a command reads them: one process per node fetches."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.remote.fetch import RemoteShards, ReportProgress, fetch, find_remote_or_cached, is_remote
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import CartoonError, ShardError

_logger = logging.getLogger(__name__)
POLL_SECONDS = 0.5
"""How often the processes exchange their progress: an error on one node ends the wait on all."""
STALL_SECONDS = 900.0
"""How long a process that fetches may go without a byte: longer than all retries of a file take."""
Result = TypeVar("Result")


def fetch_shards(settings: TrainSettings) -> TrainSettings:
    """The settings with each URL of shards replaced by the folder of this node into which they were fetched. Waits for
    the other processes; ShardError on all of them when one cannot fetch."""
    data = settings.data
    photos, cartoons = (_local_folder(path_or_url, Path(data.cache)) for path_or_url in (data.photos, data.cartoons))
    return replace(settings, data=replace(data, photos=photos, cartoons=cartoons))


def _local_folder(path_or_url: str, cache: Path) -> str:
    if not is_remote(path_or_url):
        return path_or_url
    remote = _find_remote(path_or_url, cache)
    is_fetching = collectives.local_rank() == 0
    _run_while_all_wait(partial(fetch, remote, cache), runs_here=is_fetching, label=f"fetch {path_or_url}")
    return str(remote.folder(cache))


def _find_remote(url: str, cache: Path) -> RemoteShards:
    """The remote set. One process reads its manifest and sends it to all: each on its own might see another version."""
    work = partial(find_remote_or_cached, url, cache)
    [(remote, warning)] = _run_while_all_wait(
        lambda _: work(), runs_here=collectives.is_main_process(), label=f"look up {url}"
    )
    if warning:
        _logger.warning("%s", warning)
    return remote


class _State(NamedTuple):
    """The progress of a process with its work."""

    process: str
    done: int
    total: int
    idle_seconds: float
    is_done: bool
    failure: str


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

    def state(self) -> _State:
        """The progress, for the other processes."""
        idle, failure = time.monotonic() - self.since, str(self.error or "") or repr(self.error)
        return _State(self.process, self.done, self.total, idle, not self.is_alive(), failure if self.error else "")


def _run_while_all_wait(work: Callable[[ReportProgress], Result], *, runs_here: bool, label: str) -> list[Result]:
    """Do the work on some processes while all wait for it; returns its results, in the order of the ranks.

    Raises ShardError on all processes when the work fails or stalls on one.
    """
    job = _Background(work) if runs_here else None
    if job:
        job.start()
    try:
        with Progress(total=0, unit="MB", label=label, shown=collectives.is_main_process()) as progress:
            while not _all_done(job, label, progress):
                pass
    finally:
        if job:
            job.abandoned.set()
    return [result for part in collectives.all_gather(job.results if job else []) for result in part]


def _all_done(job: _Background[Result] | None, label: str, progress: Progress) -> bool:
    """Exchange the progress once; returns whether all work is done."""
    if job:
        job.join(POLL_SECONDS)
    states = [state for state in collectives.all_gather(job.state() if job else None) if state]
    if job and job.error and not isinstance(job.error, CartoonError):
        raise job.error
    failures = sorted({state.failure for state in states if state.failure})
    failures += [
        f"{label}: {state.process} has had no byte for {STALL_SECONDS:g} s; see whether its node reaches the server"
        for state in states
        if state.idle_seconds > STALL_SECONDS and not state.is_done
    ]
    if failures:
        raise ShardError("; ".join(failures))
    working = [state for state in states if not state.is_done]
    if working:
        slowest = min(working, key=lambda state: state.done)
        progress.update(slowest.done // 10**6, f"of {slowest.total / 1e6:.0f}, waiting for {slowest.process}")
    return not working
