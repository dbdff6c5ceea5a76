"""The shard job: pictures on disk -> shards in a folder. Run it again to go on where it stopped.

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
from cartoon_dist.data.build.deduplicate import Dedup
from cartoon_dist.data.build.finalize import Sealed, are_too_many, seal, too_many
from cartoon_dist.data.build.job import Job, finished_shard, settle, task_of
from cartoon_dist.data.build.prepare import Prepared, flaw, is_broken, prepare
from cartoon_dist.data.build.shard_writer import write_shard
from cartoon_dist.data.build.workers import work_through
from cartoon_dist.data.format.manifest import LOCK, Skipped
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import alone_in
from cartoon_dist.files.folder_kinds import require_shard_folder

BUSY = "another job is writing there; wait for it or stop it"
"""What a job is told that comes too late."""


@dataclass(frozen=True)
class Built:
    """What this run did: shards built, pictures prepared, seconds; and the whole folder, once all its shards are there.

    `num_open` counts the shards that other machines are still to build; while there are any, the folder is not sealed.
    `damaged` holds the pictures that were taken although they are not whole, and what is wrong with them.
    """

    sealed: Sealed | None
    num_open: int
    num_new: int
    num_prepared: int
    seconds: float
    damaged: tuple[Skipped, ...] = ()


def build(job: Job, folder: Path, settings: ShardSettings, *, shown: bool, numbers: range | None = None) -> Built:
    """Build those of the job's shards (all, or the given run of numbers) that are not complete yet; with the folder's
    last shard seal it with its manifest.

    Raises ShardError when the folder was begun by another job, another process writes to these shards, or more than
    settings.max_broken of the pictures are broken; finished shards stay, and the same job goes on after them.
    """
    if folder.exists() and not folder.is_dir():
        raise ShardError(f"{folder}: a file; the last path is the folder to write to")
    require_shard_folder(folder, new=True)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        settle(job, folder)
        with claimed(folder, numbers):
            return build_missing(job, folder, settings, shown=shown, numbers=numbers)


def claimed(folder: Path, numbers: range | None = None) -> AbstractContextManager[None]:
    """Hold a run of a folder's shards, or all, for writing; ShardError while another process holds one of them."""
    return alone_in(folder / LOCK, numbers, ShardError(f"{folder}: {BUSY}"))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into a ShardError: nearly always the disk is full, or another user's."""
    try:
        yield
    except OSError as error:
        raise ShardError(
            f"{folder}: the job cannot go on there ({error.strerror or error}); mend that, then give the same command "
            "again: finished shards are kept"
        ) from None


def build_missing(
    job: Job, folder: Path, settings: ShardSettings, *, shown: bool, numbers: range | None = None
) -> Built:
    """Build the shards that are not complete, of all or of those given, in a folder that the caller has claimed and
    settled; seal it when it is whole."""
    started = time.monotonic()
    if numbers is None:
        numbers = range(job.num_shards)
    missing, broken = _survey(job, folder, numbers)
    damaged: list[Skipped] = []
    num_pictures = sum(len(job.shard(number)) for number in numbers)
    num_missing = sum(len(job.shard(number)) for number in missing)
    dedup = Dedup(job, folder, settings) if settings.dedup else None
    if dedup and missing and len(numbers) < job.num_shards:
        dedup.look_ahead(numbers)
    tasks = (task_of(job, position) for number in missing for position in job.shard(number))
    work = partial(prepare, domain=job.domain, settings=settings)
    prepared = work_through(tasks, work, num_workers=settings.num_workers)
    done, unit, label = num_pictures - num_missing, f"{job.domain}s", str(folder)
    try:
        with (
            closing(prepared),
            Progress(total=num_pictures, unit=unit, label=label, done=done, shown=shown) as progress,
        ):
            usable = _usable(prepared, job, broken, damaged, settings.max_broken, done, progress)
            for number in missing:
                pictures: Iterator[Prepared] = islice(usable, len(job.shard(number)))
                if dedup:
                    pictures = dedup.without_near(number, pictures)
                write_shard(folder, job.name(number), job.settings_sha256, pictures)
    except _TooManyBrokenError:
        raise too_many(_all_broken(job, folder, settings, shown=shown), job, settings.max_broken) from None
    sealed, num_open = seal(job, folder, max_broken=settings.max_broken)
    seconds = time.monotonic() - started
    return Built(sealed, num_open, len(missing), num_missing, seconds, damaged=tuple(damaged))


def _survey(job: Job, folder: Path, numbers: range) -> tuple[list[int], list[Skipped]]:
    """Which of the shards are still to be built, and the broken pictures of the others. Indices are large: none is
    kept."""
    missing: list[int] = []
    broken: list[Skipped] = []
    for number in numbers:
        index = finished_shard(job, folder, number)
        if index is None:
            missing.append(number)
        else:
            broken += [skipped for skipped in index.skipped if is_broken(skipped.reason)]
    return missing, broken


class _TooManyBrokenError(Exception):
    """So many pictures are broken that the job does not go on."""


def _all_broken(job: Job, folder: Path, settings: ShardSettings, *, shown: bool) -> list[Skipped]:
    """All broken pictures of the whole job, those that were not come to included: a limit above them is one that
    works. They are decoded, without the rest of the work."""
    missing, broken = _survey(job, folder, range(job.num_shards))
    positions = [position for number in missing for position in job.shard(number)]
    work = partial(flaw, domain=job.domain, settings=settings)
    flaws = work_through((task_of(job, position) for position in positions), work, num_workers=settings.num_workers)
    label = f"{folder}: too many are broken, counting all"
    with closing(flaws), Progress(total=len(positions), unit=f"{job.domain}s", label=label, shown=shown) as progress:
        for count, (position, reason) in enumerate(zip(positions, flaws, strict=True), start=1):
            if reason:
                broken.append(Skipped(job.pictures[position].name, reason))
            progress.update(count, f"{len(broken)} broken")
    return sorted(broken, key=lambda skipped: skipped.source)


def _usable(
    prepared: Iterator[Prepared],
    job: Job,
    broken: list[Skipped],
    damaged: list[Skipped],
    max_broken: float,
    num_done: int,
    progress: Progress,
) -> Iterator[Prepared]:
    """Pass the pictures on; stop when more than the allowed share of all the job's pictures is broken."""
    for count, picture in enumerate(prepared, start=num_done + 1):
        if is_broken(picture.reason):
            broken.append(Skipped(picture.task.picture.name, str(picture.reason)))
            if are_too_many(len(broken), job, max_broken):
                raise _TooManyBrokenError
        if picture.damage:
            damaged.append(Skipped(picture.task.picture.name, picture.damage))
        progress.update(count, f"{len(broken)} broken" if broken else "")
        yield picture
