"""Fetches remote shards to every node before a command reads them: one process per node fetches."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.remote.fetch import RemoteShards, ReportProgress, fetch, find_remote_or_cached, is_remote
from cartoon_dist.distributed import collectives
from cartoon_dist.distributed.work_while_waiting import Waiting, WorkState, work_while_waiting
from cartoon_dist.errors import ShardError

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


def _run_while_all_wait(work: Callable[[ReportProgress], Result], *, runs_here: bool, label: str) -> list[Result]:
    """Do the work on some processes while all wait for it; returns its results, in the order of the ranks.

    Raises ShardError on all processes when the work fails or stalls on one.
    """
    how = Waiting(
        label=label,
        unit="MB",
        shown=_slowest,
        poll_seconds=POLL_SECONDS,
        stall_seconds=STALL_SECONDS,
        stalled="has had no byte for {}; see whether its node reaches the server",
        error=ShardError,
    )
    return work_while_waiting(work, how, runs_here=runs_here)


def _slowest(states: Sequence[WorkState]) -> tuple[int, str]:
    """Megabytes of the process that all wait for, and its name."""
    slowest = min((state for state in states if not state.is_done), key=lambda state: state.done)
    return slowest.done // 10**6, f"of {slowest.total / 1e6:.0f}, waiting for {slowest.process}"
