"""The shard job: pictures on disk -> shards in a folder. Run it again to go on where it stopped.

find pictures -> job.json -> workers: decode, cut, label -> tar -> its index -> ... -> manifest.json
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cartoon_dist.config import ShardSettings
from cartoon_dist.data.job import Job, finished_shard, first_few, settle
from cartoon_dist.data.lookalikes import Lookalikes
from cartoon_dist.data.manifest import MANIFEST, Manifest, ShardIndex, Skipped, entry_of, write_record
from cartoon_dist.data.prepare import NEAR, Prepared, Task, is_broken
from cartoon_dist.data.workers import prepare_all
from cartoon_dist.data.write import write_shard
from cartoon_dist.errors import ShardError
from cartoon_dist.files import alone
from cartoon_dist.progress import Progress


@dataclass(frozen=True)
class NearDuplicate:
    """A picture that looks nearly like an earlier one."""

    name: str
    of: str


@dataclass(frozen=True)
class Built:
    """A finished folder's manifest, and what this run had to do for it: shards built, pictures prepared, seconds.

    `near_duplicates` are among the samples: those that settings.dedup left out stand among the manifest's skipped.
    """

    manifest: Manifest
    num_new: int
    num_prepared: int
    seconds: float
    num_flat_labels: int
    near_duplicates: tuple[NearDuplicate, ...]


def build(job: Job, folder: Path, settings: ShardSettings, *, shown: bool) -> Built:
    """Build the job's shards that are not complete yet, then seal the folder with its manifest.

    Raises ShardError when the folder was begun by another job, another process writes to it, or more than
    settings.max_broken of the pictures are broken; finished shards stay, and the same job goes on after them.
    """
    if folder.exists() and not folder.is_dir():
        raise ShardError(f"{folder}: a file; the last path is the folder to write to")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with claimed(folder):
            settle(job, folder)
            return build_missing(job, folder, settings, shown=shown)


def claimed(folder: Path) -> AbstractContextManager[None]:
    """Hold a shard folder for writing; ShardError while another process does."""
    return alone(folder, ShardError(f"{folder}: another job is writing there; wait for it or stop it"))


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


def build_missing(job: Job, folder: Path, settings: ShardSettings, *, shown: bool) -> Built:
    """Build the shards that are not complete and seal the folder, which the caller has claimed and settled."""
    started = time.monotonic()
    done = {number: index for number in range(job.num_shards) if (index := finished_shard(job, folder, number))}
    missing = [number for number in range(job.num_shards) if number not in done]
    num_done = sum(len(job.shard(number)) for number in done)
    tasks = (_task(job, position) for number in missing for position in job.shard(number))
    seen, found = _Seen(settings), list[NearDuplicate]()
    prepared = prepare_all(tasks, domain=job.domain, settings=settings)
    unit = f"{job.domain}s"
    with (
        closing(prepared),
        Progress(total=len(job.pictures), unit=unit, label=str(folder), done=num_done, shown=shown) as progress,
    ):
        usable = _usable(prepared, job, done.values(), settings.max_broken, num_done, progress)
        for number in range(job.num_shards):  # in this order, as which of two lookalikes is left out depends on it
            if number in done:
                found += seen.of_index(done[number])
                continue
            pictures = seen.of_new(islice(usable, len(job.shard(number))), found)
            done[number] = write_shard(folder, job.name(number), job.settings_sha256, pictures)
    indices = [done[number] for number in sorted(done)]
    return Built(
        manifest=_seal(job, folder, indices),
        num_new=len(missing),
        num_prepared=len(job.pictures) - num_done,
        seconds=time.monotonic() - started,
        num_flat_labels=sum(index.num_flat_labels for index in indices),
        near_duplicates=tuple(found),
    )


def _task(job: Job, position: int) -> Task:
    picture = job.pictures[position]
    return Task(position, Path(job.root, picture.file), picture)


class _Seen:
    """The pictures so far, in the order of the job: whether it drops near-duplicates or tells of them."""

    def __init__(self, settings: ShardSettings) -> None:
        self._kept = Lookalikes(num_bits=settings.duplicate_bits)
        self._drops = settings.dedup

    def of_index(self, index: ShardIndex) -> list[NearDuplicate]:
        """The near-duplicates among the pictures of a finished shard."""
        near = ((name, self._kept.take(name, int(looks, 16))) for name, looks in index.looks.items())
        return [NearDuplicate(name, of) for name, of in near if of is not None]

    def of_new(self, prepared: Iterable[Prepared], found: list[NearDuplicate]) -> Iterator[Prepared]:
        """Pass pictures on; a near-duplicate loses its samples, or goes to `found`."""
        for picture in prepared:
            name = picture.task.picture.name
            of = self._kept.take(name, picture.looks) if picture.samples else None
            if of is None:
                yield picture
            elif self._drops:
                yield Prepared(picture.task, (), NEAR + of)
            else:
                found.append(NearDuplicate(name, of))
                yield picture


def _usable(
    prepared: Iterator[Prepared],
    job: Job,
    done: Iterable[ShardIndex],
    max_broken: float,
    num_done: int,
    progress: Progress,
) -> Iterator[Prepared]:
    """Pass the pictures on; stop when more than the allowed share of all pictures is broken."""
    broken = [skipped for index in done for skipped in index.skipped if is_broken(skipped.reason)]
    for count, picture in enumerate(prepared, start=num_done + 1):
        if is_broken(picture.reason):
            broken.append(Skipped(picture.task.picture.name, str(picture.reason)))
            if len(broken) > max_broken * len(job.pictures):
                raise ShardError(_too_many(broken, job, max_broken))
        progress.update(count, f"{len(broken)} broken" if broken else "")
        yield picture


def _too_many(broken: Sequence[Skipped], job: Job, max_broken: float) -> str:
    share = math.ceil(1000 * len(broken) / len(job.pictures)) / 1000
    listed = first_few([f"{picture.source} ({picture.reason})" for picture in broken])
    return (
        f"{job.root}: {len(broken)} of {len(job.pictures)} pictures are broken, more than max_broken={max_broken:g}: "
        f"{listed}; remove them, or allow them with max_broken={share:g} or more"
    )


def _seal(job: Job, folder: Path, indices: Sequence[ShardIndex]) -> Manifest:
    manifest = sealed(job, indices)
    if not manifest.shards:
        raise ShardError(
            f"{job.root}: none of its {len(job.pictures)} pictures gave a sample; see the reasons in {folder}"
        )
    write_record(folder / MANIFEST, manifest)
    return manifest


def sealed(job: Job, indices: Iterable[ShardIndex]) -> Manifest:
    """The manifest of a job, given the indices of all its shards in their order."""
    indices = tuple(indices)
    return Manifest(
        domain=job.domain,
        image_size=int(str(job.settings["image_size"])),
        settings=job.settings,
        settings_sha256=job.settings_sha256,
        shards=tuple(entry_of(index) for index in indices if index.samples),
        skipped=tuple(skipped for index in indices for skipped in index.skipped),
    )
