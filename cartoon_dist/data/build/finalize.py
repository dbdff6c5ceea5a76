"""The end of a shard job: once every shard is complete, what they hold is gathered into the folder's manifest."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.data.build.deduplicate import forget
from cartoon_dist.data.build.job import Job, finished_shard, first_few
from cartoon_dist.data.build.prepare import is_broken
from cartoon_dist.data.format.manifest import (
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    Skipped,
    entry_of,
    write_record,
)
from cartoon_dist.data.inputs.near_duplicates import Lookalikes
from cartoon_dist.errors import ShardError


@dataclass(frozen=True)
class NearDuplicate:
    """A picture that looks nearly like an earlier one."""

    name: str
    of: str


@dataclass(frozen=True)
class Sealed:
    """A whole folder's manifest, and what its indices tell besides.

    `near_duplicates` are among the samples: those that settings.dedup left out stand among the manifest's skipped.
    """

    manifest: Manifest
    num_flat_labels: int
    near_duplicates: tuple[NearDuplicate, ...]


class Gathering:
    """What a manifest needs of the indices, one after the other; an index itself is too large to be kept."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._seen = Lookalikes(num_bits=int(str(job.settings["duplicate_bits"])))
        self.entries: list[ShardEntry] = []
        self.skipped: list[Skipped] = []
        self.near: list[NearDuplicate] = []
        self.num_flat_labels = 0

    def add(self, index: ShardIndex) -> None:
        """Take the next shard's index."""
        if index.samples:
            self.entries.append(entry_of(index))
        self.skipped += index.skipped
        self.num_flat_labels += index.num_flat_labels
        for name, looks in index.looks.items():
            of = self._seen.take(name, int(looks, 16))
            if of is not None:
                self.near.append(NearDuplicate(name, of))

    def manifest(self) -> Manifest:
        """The manifest of all that was added."""
        job = self._job
        return Manifest(
            domain=job.domain,
            image_size=int(str(job.settings["image_size"])),
            settings=job.settings,
            settings_sha256=job.settings_sha256,
            shards=tuple(self.entries),
            skipped=tuple(self.skipped),
        )


def seal(job: Job, folder: Path, *, max_broken: float) -> tuple[Sealed | None, int]:
    """Write the manifest when all shards are complete; what was sealed, and how many shards are still to be built.

    Two machines that finish at once both do it and write the same. Raises ShardError when no picture gave a sample, or
    more than max_broken of them are broken.
    """
    gathering, num_open = Gathering(job), 0
    for number in range(job.num_shards):
        index = finished_shard(job, folder, number)
        if index is None:
            num_open += 1
        elif not num_open:
            gathering.add(index)
    if num_open:
        return None, num_open
    broken = [skipped for skipped in gathering.skipped if is_broken(skipped.reason)]
    if are_too_many(len(broken), job, max_broken):
        raise too_many(broken, job, max_broken)
    manifest = gathering.manifest()
    if not manifest.shards:
        raise ShardError(
            f"{job.root}: none of its {len(job.pictures)} pictures gave a sample; see the reasons in {folder}"
        )
    write_record(folder / MANIFEST, manifest)
    if job.settings.get("dedup"):
        forget(job, folder)
    return Sealed(manifest, gathering.num_flat_labels, tuple(gathering.near)), 0


def sealed(job: Job, indices: Iterable[ShardIndex]) -> Manifest:
    """The manifest of a job, given the indices of all its shards in their order."""
    gathering = Gathering(job)
    for index in indices:
        gathering.add(index)
    return gathering.manifest()


def are_too_many(num_broken: int, job: Job, max_broken: float) -> bool:
    """Whether more than the allowed share of all the job's pictures is broken."""
    return num_broken > max_broken * len(job.pictures)


def too_many(broken: Sequence[Skipped], job: Job, max_broken: float) -> ShardError:
    """The error for a job of which more pictures are broken than are allowed, given all of them."""
    share = math.ceil(1000 * len(broken) / len(job.pictures)) / 1000
    take = "" if job.settings.get("damaged") == "take" else ", or take damaged ones (damaged=take, into a new folder)"
    listed = first_few([f"{picture.source} ({picture.reason})" for picture in broken])
    return ShardError(
        f"{job.root}: {len(broken)} of {len(job.pictures)} pictures are broken, more than max_broken={max_broken:g}: "
        f"{listed}; remove them, or allow them with max_broken={share:g} or more{take}"
    )
