"""The end of a shard job: once every shard is complete, the manifest is written from the shards' indices."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.console.messages import first_few
from cartoon_dist.data.build.deduplicate import remove_hash_files
from cartoon_dist.data.build.job import Job, finished_shard
from cartoon_dist.data.build.prepare import is_broken
from cartoon_dist.data.format.manifest import (
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    Skipped,
    shard_entry,
    write_record,
)
from cartoon_dist.data.inputs.near_duplicates import NearDuplicateFinder
from cartoon_dist.errors import ShardError


@dataclass(frozen=True)
class NearDuplicate:
    """A picture `name` that looks nearly like an earlier one, `of`."""

    name: str
    of: str


@dataclass(frozen=True)
class FinishedFolder:
    """The manifest of a complete shard folder, and what else its indices say.

    `near_duplicates` are among the samples; those that settings.dedup removed are in the manifest's `skipped`.
    """

    manifest: Manifest
    num_flat_labels: int
    near_duplicates: tuple[NearDuplicate, ...]


class ManifestBuilder:
    """Builds a manifest from indices that are added one by one; keeps none of them, as they are large."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._near_duplicate_finder = NearDuplicateFinder(num_bits=int(str(job.settings["duplicate_bits"])))
        self.entries: list[ShardEntry] = []
        self.skipped: list[Skipped] = []
        self.near_duplicates: list[NearDuplicate] = []
        self.num_flat_labels = 0

    def add(self, index: ShardIndex) -> None:
        """Add the next shard's index."""
        if index.samples:
            self.entries.append(shard_entry(index))
        self.skipped += index.skipped
        self.num_flat_labels += index.num_flat_labels
        for name, digits in index.looks.items():
            of = self._near_duplicate_finder.add_or_find(name, int(digits, 16))
            if of is not None:
                self.near_duplicates.append(NearDuplicate(name, of))

    def manifest(self) -> Manifest:
        """The manifest of the shards that were added."""
        job = self._job
        return Manifest(
            domain=job.domain,
            image_size=int(str(job.settings["image_size"])),
            settings=job.settings,
            settings_sha256=job.settings_sha256,
            shards=tuple(self.entries),
            skipped=tuple(self.skipped),
        )


def finalize(job: Job, folder: Path, *, max_broken: float) -> tuple[FinishedFolder | None, int]:
    """Write the manifest when all shards are complete. Returns the finished folder, or None, and how many shards are
    still to be built.

    Two machines that finish at the same time both write it, with the same bytes. Raises ShardError when no picture gave
    a sample, or more than max_broken of them are broken.
    """
    builder, num_remaining = ManifestBuilder(job), 0
    for number in range(job.num_shards):
        index = finished_shard(job, folder, number)
        if index is None:
            num_remaining += 1
        elif not num_remaining:
            builder.add(index)
    if num_remaining:
        return None, num_remaining
    broken = [skipped for skipped in builder.skipped if is_broken(skipped.reason)]
    if exceeds_max_broken(len(broken), job, max_broken):
        raise too_many_broken_error(broken, job, max_broken)
    manifest = builder.manifest()
    if not manifest.shards:
        raise ShardError(
            f"{job.root}: none of its {len(job.pictures)} pictures gave a sample; see the reasons in {folder}"
        )
    write_record(folder / MANIFEST, manifest)
    if job.settings.get("dedup"):
        remove_hash_files(job, folder)
    return FinishedFolder(manifest, builder.num_flat_labels, tuple(builder.near_duplicates)), 0


def manifest_from_indices(job: Job, indices: Iterable[ShardIndex]) -> Manifest:
    """The manifest of a job, from the indices of all its shards in their order."""
    builder = ManifestBuilder(job)
    for index in indices:
        builder.add(index)
    return builder.manifest()


def exceeds_max_broken(num_broken: int, job: Job, max_broken: float) -> bool:
    """Whether more than the share `max_broken` of all the job's pictures is broken."""
    return num_broken > max_broken * len(job.pictures)


def too_many_broken_error(broken: Sequence[Skipped], job: Job, max_broken: float) -> ShardError:
    """The error for a job with more broken pictures than max_broken allows; `broken` lists all of them."""
    share = math.ceil(1000 * len(broken) / len(job.pictures)) / 1000
    hint = "" if job.settings.get("damaged") == "take" else ", or take damaged ones (damaged=take, into a new folder)"
    listed = first_few([f"{picture.source} ({picture.reason})" for picture in broken])
    return ShardError(
        f"{job.root}: {len(broken)} of {len(job.pictures)} pictures are broken, more than max_broken={max_broken:g}: "
        f"{listed}; remove them, or allow them with max_broken={share:g} or more{hint}"
    )
