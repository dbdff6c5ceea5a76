"""Leaves near-duplicates out of a job, the same ones on whichever machines its shards are built.

Which of two lookalikes stays is a question of their order: a shard cannot be built before it is known what the earlier
pictures look like. A single process learns it as it goes. Where others build the earlier shards, those are looked at
first: each machine writes down what its own shards' pictures look like, takes what the others have written, and looks
for itself where there is nothing yet. So none waits for another.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import Job, finished_shard, task_of
from cartoon_dist.data.build.prepare import NEAR, Prepared, Task, look
from cartoon_dist.data.build.workers import work_through
from cartoon_dist.data.format.manifest import read_record, write_record
from cartoon_dist.data.inputs.near_duplicates import Lookalikes
from cartoon_dist.errors import ShardError


@dataclass(frozen=True)
class Looks:
    """The likenesses, in 32 hexadecimal digits, of those pictures of a shard that will give samples, by name."""

    settings_sha256: str
    looks: dict[str, str]


def looks_path(folder: Path, shard: str) -> Path:
    """Where what a shard's pictures look like is written down until the folder is sealed."""
    return folder / f"{shard.removesuffix('.tar')}.looks.json"


class Dedup:
    """The pictures so far, in the order of the job."""

    def __init__(self, job: Job, folder: Path, settings: ShardSettings) -> None:
        self._job, self._folder, self._settings = job, folder, settings
        self._kept = Lookalikes(num_bits=settings.duplicate_bits)
        self._next = 0

    def look_ahead(self, own: range) -> None:
        """Write down what the pictures of one's own shards look like, then those of earlier ones where nobody has."""
        job, looked_at = self._job, deque[int]()

        def tasks() -> Iterator[Task]:
            for number in (*own, *range(own.start)):
                if self._looks(number) is None:  # asked as late as possible: another machine may have been faster
                    looked_at.append(number)
                    yield from (task_of(job, position) for position in job.shard(number))

        work = partial(look, domain=job.domain, settings=self._settings)
        with closing(work_through(tasks(), work, num_workers=self._settings.num_workers)) as found:
            for first in found:
                number = looked_at.popleft()
                names = [job.pictures[position].name for position in job.shard(number)]
                pairs = zip(names, chain([first], islice(found, len(names) - 1)), strict=True)
                looks = {name: f"{likeness:032x}" for name, likeness in pairs if likeness is not None}
                write_record(looks_path(self._folder, job.name(number)), Looks(job.settings_sha256, looks))

    def without_near(self, number: int, pictures: Iterable[Prepared]) -> Iterator[Prepared]:
        """A shard's pictures; a near-duplicate of an earlier one has lost its samples."""
        for earlier in range(self._next, number):
            known = self._looks(earlier)
            if known is None:
                raise ShardError(f"{self._folder / self._job.name(earlier)}: gone; give the same command again")
            for name, looks in known.looks.items():
                self._kept.take(name, int(looks, 16))
        for picture in pictures:
            of = self._kept.take(picture.task.picture.name, picture.looks) if picture.samples else None
            yield picture if of is None else Prepared(picture.task, (), NEAR + of)
        self._next = number + 1

    def _looks(self, number: int) -> Looks | None:
        """What somebody has written down of a shard: its index, or what it looks like."""
        job = self._job
        index = finished_shard(job, self._folder, number)
        if index is not None:
            return Looks(index.settings_sha256, index.looks)
        try:
            found = read_record(looks_path(self._folder, job.name(number)), Looks, "")
        except ShardError:
            return None
        return found if found.settings_sha256 == job.settings_sha256 else None


def forget(job: Job, folder: Path) -> None:
    """Remove what was written down for a while."""
    for number in range(job.num_shards):
        looks_path(folder, job.name(number)).unlink(missing_ok=True)
