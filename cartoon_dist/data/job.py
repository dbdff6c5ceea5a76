"""What a shard job is to build, written down before it starts: the settings and the input pictures, cut into shards.

`job.json` makes a killed job resumable and a damaged shard mendable: shard k holds the k-th slice of the sorted
pictures and is a function of the pictures and the settings alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartoon_dist import nested
from cartoon_dist.config import ShardSettings
from cartoon_dist.data.manifest import (
    JOB,
    ShardIndex,
    index_path,
    read_index,
    read_record,
    settings_sha256,
    shard_name,
    write_record,
)
from cartoon_dist.data.sample import Domain
from cartoon_dist.data.sources import Source, find_sources
from cartoon_dist.errors import ShardError

RUN_ONLY = frozenset({"num_workers", "max_broken"})
"""Settings that say how a job runs and leave the shards' bytes as they are."""
_NUM_NAMED = 3


@dataclass(frozen=True)
class Job:
    """A shard job's inputs: pictures below `root`, and the settings that shape the shards."""

    domain: Domain
    settings: dict[str, object]
    settings_sha256: str
    root: str
    pictures: tuple[Source, ...]

    @property
    def per_shard(self) -> int:
        """Pictures a shard; counted before tiling, so that the tiles of one picture do not move the others' shards."""
        return int(str(self.settings["samples_per_shard"]))

    @property
    def num_shards(self) -> int:
        """Slices of the picture list."""
        return math.ceil(len(self.pictures) / self.per_shard)

    def shard(self, number: int) -> range:
        """The positions of a shard's pictures."""
        return range(number * self.per_shard, min((number + 1) * self.per_shard, len(self.pictures)))

    def name(self, number: int) -> str:
        """The file name of a shard's tar."""
        return shard_name(self.domain, number)


def plan_job(inputs: Sequence[str], *, domain: Domain, settings: ShardSettings) -> Job:
    """Find the pictures and split them; reads no pixels and writes nothing."""
    sources = find_sources(inputs, test_fraction=settings.test_fraction, seed=settings.seed)
    shaping: dict[str, Any] = {k: v for k, v in nested.plain(settings).items() if k not in RUN_ONLY}
    return Job(domain, shaping, settings_sha256(domain, shaping), sources.root, sources.pictures)


def read_job(folder: Path) -> Job:
    """The job that a shard folder was built by; ShardError when its job.json is missing or damaged."""
    return read_record(folder / JOB, Job, "build the shards into a new folder")


def settle(job: Job, folder: Path) -> None:
    """Write the job into its folder, or check that the folder was begun with the same settings and pictures.

    Raises ShardError that names what differs; a folder never holds shards of two jobs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / JOB).exists():
        if any(index_path(folder, job.name(number)).exists() for number in range(job.num_shards)):
            raise ShardError(f"{folder}: holds shards but no {JOB}; build into a new folder")
        write_record(folder / JOB, job)
        return
    begun = read_job(folder)
    if begun.domain != job.domain:
        raise ShardError(f"{folder}: holds {begun.domain} shards; build {job.domain} shards into another folder")
    changes = nested.differences(begun.settings, job.settings, frozenset())
    if changes:
        raise ShardError(
            f"{folder}: begun with other settings ({', '.join(changes)}); give the old ones or a new folder"
        )
    changes = _changed_pictures(begun, job)
    if changes:
        raise ShardError(
            f"{folder}: begun with other pictures ({'; '.join(changes)}); restore them or give a new folder"
        )
    if begun.root != job.root:  # the same pictures, moved
        write_record(folder / JOB, job)


def finished_shard(job: Job, folder: Path, number: int) -> ShardIndex | None:
    """The index of a shard that is complete and made by this job's settings, or None when it is still to be built."""
    name = job.name(number)
    try:
        index = read_index(folder, name)
    except ShardError:
        return None
    if index.settings_sha256 != job.settings_sha256:
        return None
    if not index.samples:  # all its pictures were left out, so there is no tar
        return index
    tar = folder / name
    return index if tar.is_file() and tar.stat().st_size == index.bytes else None


def _changed_pictures(begun: Job, job: Job) -> list[str]:
    before = {picture.name: picture for picture in begun.pictures}
    after = {picture.name: picture for picture in job.pictures}
    same = before.keys() & after.keys()
    kinds = {
        "added": sorted(after.keys() - same),
        "removed": sorted(before.keys() - same),
        "of another size": sorted(name for name in same if before[name].bytes != after[name].bytes),
        "of another scene": sorted(name for name in same if before[name].scene != after[name].scene),
    }
    return [f"{len(names)} {kind}: {first_few(names)}" for kind, names in kinds.items() if names]


def first_few(names: Sequence[str]) -> str:
    """The first names of a list, for a message of one line."""
    return ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")
