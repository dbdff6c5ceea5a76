"""The shard job: pictures on disk -> shards in a folder. Run it again to resume where it stopped.

find pictures -> job.json -> workers: decode, cut, label -> tar -> its index -> ... -> manifest.json
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.build.deduplicate import Deduplicator
from cartoon_dist.data.build.finalize import FinishedFolder, exceeds_max_broken, finalize, too_many_broken_error
from cartoon_dist.data.build.job import Job, finished_shard, make_task, write_or_check_job
from cartoon_dist.data.build.prepare import PreparedPicture, check_picture, is_broken, prepare
from cartoon_dist.data.build.shard_writer import write_shard
from cartoon_dist.data.build.workers import map_in_order
from cartoon_dist.data.format.manifest import LOCK, Skipped
from cartoon_dist.errors import ShardError
from cartoon_dist.files.folder_kinds import require_shard_folder
from cartoon_dist.files.locks import lock_range

BUSY_MESSAGE = "another job is writing there; wait for it or stop it"
"""Why a second job on the same shards is refused."""


@dataclass(frozen=True)
class BuildResult:
    """What this run did: shards built, pictures prepared, seconds.

    `finished` is the whole folder once all its shards are complete. `num_remaining` counts the shards that other
    machines are still to build; while there are any, there is no manifest. `damaged` lists the pictures that were taken
    although they are damaged, and what is wrong with them.
    """

    finished: FinishedFolder | None
    num_remaining: int
    num_new: int
    num_prepared: int
    seconds: float
    damaged: tuple[Skipped, ...] = ()


def build(
    job: Job, folder: Path, settings: ShardSettings, *, shown: bool, shard_numbers: range | None = None
) -> BuildResult:
    """Build those of the job's shards (all, or those of `shard_numbers`) that are not complete yet. When no shard of
    the folder is missing any more, write its manifest.

    Raises ShardError when the folder was begun by another job, another process writes to these shards, or more than
    settings.max_broken of the pictures are broken; finished shards stay, and the same job goes on after them.
    """
    if folder.exists() and not folder.is_dir():
        raise ShardError(f"{folder}: a file; the last path is the folder to write to")
    require_shard_folder(folder, new=True)
    with translate_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_or_check_job(job, folder)
        with lock_shards(folder, shard_numbers):
            return build_missing(job, folder, settings, shown=shown, shard_numbers=shard_numbers)


def lock_shards(folder: Path, shard_numbers: range | None = None) -> AbstractContextManager[None]:
    """Lock these shards of a folder, or all, for writing; ShardError while another process has locked one of them."""
    return lock_range(folder / LOCK, shard_numbers, ShardError(f"{folder}: {BUSY_MESSAGE}"))


@contextmanager
def translate_os_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError into a ShardError: nearly always the disk is full, or belongs to another user."""
    try:
        yield
    except OSError as error:
        raise ShardError(
            f"{folder}: the job cannot go on there ({error.strerror or error}); fix that, then give the same command "
            "again: finished shards are kept"
        ) from None


def build_missing(
    job: Job, folder: Path, settings: ShardSettings, *, shown: bool, shard_numbers: range | None = None
) -> BuildResult:
    """Build the shards that are not complete, and write the manifest when none is missing. The caller has locked the
    folder and written its job.json."""
    started = time.monotonic()
    if shard_numbers is None:
        shard_numbers = range(job.num_shards)
    missing, broken = _missing_and_broken(job, folder, shard_numbers)
    damaged: list[Skipped] = []
    num_pictures = sum(len(job.picture_range(number)) for number in shard_numbers)
    num_missing = sum(len(job.picture_range(number)) for number in missing)
    dedup = Deduplicator(job, folder, settings) if settings.dedup else None
    if dedup and missing and len(shard_numbers) < job.num_shards:
        dedup.write_hashes(shard_numbers)
    tasks = (make_task(job, position) for number in missing for position in job.picture_range(number))
    work = partial(prepare, domain=job.domain, settings=settings)
    prepared = map_in_order(tasks, work, num_workers=settings.num_workers)
    done, unit, label = num_pictures - num_missing, f"{job.domain}s", str(folder)
    try:
        with (
            closing(prepared),
            Progress(total=num_pictures, unit=unit, label=label, done=done, shown=shown) as progress,
        ):
            checked = _check_broken(prepared, job, broken, damaged, settings.max_broken, done, progress)
            for number in missing:
                pictures: Iterator[PreparedPicture] = islice(checked, len(job.picture_range(number)))
                if dedup:
                    pictures = dedup.without_near_duplicates(number, pictures)
                write_shard(folder, job.tar_name(number), job.settings_sha256, pictures)
    except _TooManyBrokenError:
        raise too_many_broken_error(
            _find_all_broken(job, folder, settings, shown=shown), job, settings.max_broken
        ) from None
    finished, num_remaining = finalize(job, folder, max_broken=settings.max_broken)
    seconds = time.monotonic() - started
    return BuildResult(finished, num_remaining, len(missing), num_missing, seconds, damaged=tuple(damaged))


def _missing_and_broken(job: Job, folder: Path, shard_numbers: range) -> tuple[list[int], list[Skipped]]:
    """The shards still to be built, and the broken pictures of the others. No index is kept, as they are large."""
    missing: list[int] = []
    broken: list[Skipped] = []
    for number in shard_numbers:
        index = finished_shard(job, folder, number)
        if index is None:
            missing.append(number)
        else:
            broken += [skipped for skipped in index.skipped if is_broken(skipped.reason)]
    return missing, broken


class _TooManyBrokenError(Exception):
    """More pictures are broken than max_broken allows."""


def _find_all_broken(job: Job, folder: Path, settings: ShardSettings, *, shown: bool) -> list[Skipped]:
    """All broken pictures of the whole job, also of the shards that were not built yet, so that the error can name a
    max_broken that is enough. Pictures are only decoded."""
    missing, broken = _missing_and_broken(job, folder, range(job.num_shards))
    positions = [position for number in missing for position in job.picture_range(number)]
    work = partial(check_picture, domain=job.domain, settings=settings)
    problems = map_in_order(
        (make_task(job, position) for position in positions), work, num_workers=settings.num_workers
    )
    label = f"{folder}: too many are broken, counting all"
    with closing(problems), Progress(total=len(positions), unit=f"{job.domain}s", label=label, shown=shown) as progress:
        for count, (position, reason) in enumerate(zip(positions, problems, strict=True), start=1):
            if reason:
                broken.append(Skipped(job.pictures[position].name, reason))
            progress.update(count, f"{len(broken)} broken")
    return sorted(broken, key=lambda skipped: skipped.source)


def _check_broken(
    prepared: Iterator[PreparedPicture],
    job: Job,
    broken: list[Skipped],
    damaged: list[Skipped],
    max_broken: float,
    num_done: int,
    progress: Progress,
) -> Iterator[PreparedPicture]:
    """Pass the pictures on and count the broken ones; raise when they are more than max_broken allows."""
    for count, picture in enumerate(prepared, start=num_done + 1):
        if is_broken(picture.reason):
            broken.append(Skipped(picture.task.picture.name, str(picture.reason)))
            if exceeds_max_broken(len(broken), job, max_broken):
                raise _TooManyBrokenError
        if picture.damage:
            damaged.append(Skipped(picture.task.picture.name, picture.damage))
        progress.update(count, f"{len(broken)} broken" if broken else "")
        yield picture
