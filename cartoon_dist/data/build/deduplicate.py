"""Removes near-duplicates from a job: always the same ones, on whichever machines its shards are built.

Of two near-duplicates the first in the job's order is kept, so a shard can be built only when the hashes of all earlier
pictures are known. A single process computes them as it goes. Where other machines build the earlier shards, each
machine first writes the hashes of its own shards' pictures to files, reads those that the others have written, and
computes the ones that are still missing itself. So no machine waits for another.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import Job, finished_shard, make_task
from cartoon_dist.data.build.prepare import NEAR_DUPLICATE_REASON, PictureTask, PreparedPicture, hash_picture
from cartoon_dist.data.build.workers import map_in_order
from cartoon_dist.data.format.manifest import read_record, write_record
from cartoon_dist.data.inputs.near_duplicates import NearDuplicateFinder
from cartoon_dist.errors import ShardError


@dataclass(frozen=True)
class ShardHashes:
    """Perceptual hashes of those pictures of a shard that give samples; `looks`: 32 hexadecimal digits by name."""

    settings_sha256: str
    looks: dict[str, str]


def hashes_path(folder: Path, shard: str) -> Path:
    """The file that holds the hashes of a shard's pictures until the manifest is written."""
    return folder / f"{shard.removesuffix('.tar')}.looks.json"


class Deduplicator:
    """The pictures kept so far; shards are passed through it in the job's order."""

    def __init__(self, job: Job, folder: Path, settings: ShardSettings) -> None:
        self._job, self._folder, self._settings = job, folder, settings
        self._kept = NearDuplicateFinder(num_bits=settings.duplicate_bits)
        self._next = 0

    def write_hashes(self, own_shards: range) -> None:
        """Write the hashes of this machine's shards to files, then those of earlier shards that are still missing."""
        job, hashed_shards = self._job, deque[int]()

        def tasks() -> Iterator[PictureTask]:
            for shard_number in (*own_shards, *range(own_shards.start)):
                # Asked as late as possible: another machine may have been faster.
                if self._read_hashes(shard_number) is None:
                    hashed_shards.append(shard_number)
                    yield from (make_task(job, position) for position in job.picture_range(shard_number))

        work = partial(hash_picture, domain=job.domain, settings=self._settings)
        with closing(map_in_order(tasks(), work, num_workers=self._settings.num_workers)) as hashes:
            for first in hashes:
                shard_number = hashed_shards.popleft()
                names = [job.pictures[position].name for position in job.picture_range(shard_number)]
                pairs = zip(names, chain([first], islice(hashes, len(names) - 1)), strict=True)
                looks = {name: f"{picture_hash:032x}" for name, picture_hash in pairs if picture_hash is not None}
                path = hashes_path(self._folder, job.tar_name(shard_number))
                write_record(path, ShardHashes(job.settings_sha256, looks))

    def without_near_duplicates(
        self, shard_number: int, pictures: Iterable[PreparedPicture]
    ) -> Iterator[PreparedPicture]:
        """A shard's pictures, where a near-duplicate of an earlier one has a reason instead of samples."""
        for earlier in range(self._next, shard_number):
            hashes = self._read_hashes(earlier)
            if hashes is None:
                raise ShardError(f"{self._folder / self._job.tar_name(earlier)}: gone; give the same command again")
            for name, digits in hashes.looks.items():
                self._kept.add_or_find(name, int(digits, 16))
        for picture in pictures:
            name = picture.task.picture.name
            original = self._kept.add_or_find(name, picture.picture_hash) if picture.samples else None
            if original is None:
                yield picture
            else:
                yield PreparedPicture(picture.task, (), NEAR_DUPLICATE_REASON + original)
        self._next = shard_number + 1

    def _read_hashes(self, shard_number: int) -> ShardHashes | None:
        """The hashes of a shard's pictures, from its index or from the file that a machine has written."""
        job = self._job
        index = finished_shard(job, self._folder, shard_number)
        if index is not None:
            return ShardHashes(index.settings_sha256, index.looks)
        try:
            hashes = read_record(hashes_path(self._folder, job.tar_name(shard_number)), ShardHashes, "")
        except ShardError:
            return None
        return hashes if hashes.settings_sha256 == job.settings_sha256 else None


def remove_hash_files(job: Job, folder: Path) -> None:
    """Remove the files of hashes, which the indices of a finished folder hold too."""
    for shard_number in range(job.num_shards):
        hashes_path(folder, job.tar_name(shard_number)).unlink(missing_ok=True)
