"""What a shard job is to build, written down before it starts: the settings and the input pictures, cut into shards.

`job.json` makes a killed job resumable and a damaged shard mendable: shard k holds the k-th slice of the sorted
pictures and is a function of the pictures and the settings alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.output_settings import ADDED, shaping_settings
from cartoon_dist.data.build.prepare import Task
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    OtherFormatError,
    Record,
    ShardIndex,
    index_path,
    is_as_written,
    read_index,
    read_record,
    record_bytes,
    settings_sha256,
    shard_name,
    write_record,
)
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.inputs.arguments import folders_apart
from cartoon_dist.data.inputs.external_labels import map_bytes, with_maps
from cartoon_dist.data.inputs.frame_reuse import frames_chooser
from cartoon_dist.data.inputs.search import LeftOut
from cartoon_dist.data.inputs.sources import Shot, Source, find_sources
from cartoon_dist.errors import ConfigError, ShardError
from cartoon_dist.files.atomic import write_first

RESTORE = "give the command that built the folder again, it writes the file anew"
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


def task_of(job: Job, position: int) -> Task:
    """What a worker is told of a picture."""
    picture = job.pictures[position]
    return Task(position, Path(job.root, picture.file), picture)


def plan_job(
    inputs: Sequence[str],
    *,
    domain: Domain,
    settings: ShardSettings,
    folder: Path | None = None,
    left: LeftOut | None = None,
    shown: bool = False,
) -> Job:
    """Find the pictures and split them; writes nothing, and reads no pixels but those of videos.

    A video is looked through once: when the folder already holds a job with the same video and settings, its frames are
    taken from there. The folder, when it lies inside an input, and maps that do are no inputs. `left` is told what was
    not taken. ConfigError when the folder is one of
    the inputs, or holds pictures.
    """
    shaping = shaping_settings(settings)
    external = settings.saliency.external if domain == "photo" else None
    apart = folders_apart(inputs, folder, external)
    frames_of = frames_chooser(settings, lambda: _known_frames(folder, shaping) if folder else {}, shown=shown)
    sources = find_sources(
        inputs,
        test_fraction=settings.test_fraction,
        seed=settings.seed,
        frames_of=frames_of,
        left=left,
        apart=apart,
    )
    pictures = sources.pictures
    if external is not None:
        folder_of_maps = Path(external).absolute()  # mending may be asked for from elsewhere
        shaping["saliency"] = {**shaping["saliency"], "external": str(folder_of_maps)}
        no_maps = LeftOut()
        pictures = with_maps(pictures, folder_of_maps, no_maps)
        if left is not None:
            left.maps = no_maps.in_words()
    return Job(domain, shaping, settings_sha256(domain, shaping), sources.root, pictures)


def _known_frames(folder: Path, shaping: Mapping[str, object]) -> dict[tuple[str, int], list[Shot]]:
    """The frames that the folder's job chose, by the names and sizes of the videos; none if by other settings."""
    begun = _readable(folder / JOB, Job)
    known: dict[tuple[str, int], list[Shot]] = {}
    if begun and all(begun.settings.get(name) == shaping[name] for name in ("video", "duplicate_bits")):
        for picture in begun.pictures:
            if picture.frame:
                shot = Shot(picture.name.rpartition("/")[2], picture.frame)
                known.setdefault((picture.file, picture.bytes), []).append(shot)
    return known


def read_job(folder: Path) -> Job:
    """The job that a shard folder was built by; ShardError when its job.json is missing or damaged."""
    job = read_record(folder / JOB, Job, RESTORE)
    if job.settings_sha256 != settings_sha256(job.domain, job.settings) or "samples_per_shard" not in job.settings:
        raise ShardError(f"{folder / JOB}: damaged, its settings are not those of their hash; {RESTORE}")
    return job


def settings_of(job: Job, folder: Path, **run_only: object) -> ShardSettings:
    """The settings of a job that was begun in a folder, with others for how it runs."""
    try:
        return check(ShardSettings, {**job.settings, **run_only})
    except ConfigError as error:
        raise ShardError(f"{folder / JOB}: another version wrote it ({error}); build into a new folder") from None


def require_pictures(job: Job, numbers: Iterable[int]) -> None:
    """ShardError unless the pictures of the shards, and their maps, still are there as the job found them."""
    gone = []
    for picture in (job.pictures[position] for number in numbers for position in job.shard(number)):
        path = Path(job.root, picture.file)
        same_map = picture.map_bytes is None or picture.map_bytes == map_bytes(picture, _folder_of_maps(job))
        if (path.stat().st_size if path.is_file() else 0) != picture.bytes or not same_map:
            gone.append(picture.name)
    if gone:
        maps = ", or their maps," if any(picture.map_bytes is not None for picture in job.pictures) else ""
        raise ShardError(
            f"{job.root}: {len(gone)} pictures of the shards to build{maps} are gone or changed: {first_few(gone)}; "
            "put them back, or build the shards into a new folder"
        )


def _folder_of_maps(job: Job) -> Path:
    return Path(str(overrides.flatten(job.settings)["saliency.external"]))


def settle(job: Job, folder: Path) -> None:
    """Write the job into its folder, or check that the folder was begun with the same settings and pictures.

    A job.json that is lost or damaged is written anew when the shards are this job's. Raises ShardError that names what
    differs; a folder never holds shards of two jobs, and no file that a job did not write is replaced.
    """
    try:
        begun = read_job(folder)
    except OtherFormatError:
        raise
    except ShardError:
        _require_own(job, folder)
        if (folder / JOB).exists():
            write_record(folder / JOB, job)
        elif not write_first(folder / JOB, record_bytes(vars(job))):  # another process has just begun the folder
            settle(job, folder)
        return
    if begun == job and is_as_written(folder / JOB):
        return
    if begun.domain != job.domain:
        raise ShardError(f"{folder}: holds {begun.domain} shards; build {job.domain} shards into another folder")
    changes = overrides.differences(ADDED | begun.settings, ADDED | job.settings, frozenset())
    if changes:
        raise ShardError(
            f"{folder}: begun with other settings ({', '.join(changes)}); give the old ones or a new folder"
        )
    changes = _changed_pictures(begun, job)
    if changes:
        raise ShardError(
            f"{folder}: begun with other pictures ({'; '.join(changes)}); restore them or give a new folder"
        )
    write_record(folder / JOB, job)  # the same pictures may have moved


def _require_own(job: Job, folder: Path) -> None:
    """Without a readable job.json: ShardError unless all that lies in the folder is what this job would write.

    Damaged records do not count: they will be written anew.
    """
    manifest = _readable(folder / MANIFEST, Manifest)
    if manifest and manifest.settings_sha256 != job.settings_sha256:
        raise ShardError(f"{folder}: holds a set made otherwise, without a readable {JOB}; give a new folder")
    numbers = {job.name(number): number for number in range(job.num_shards)}
    for path in sorted(folder.glob("*.index.json")):
        index = _readable(path, ShardIndex)
        if index and (index.settings_sha256 != job.settings_sha256 or not _is_of(job, index, numbers)):
            raise ShardError(
                f"{folder}: has no readable {JOB}, and {index.shard} is not of these pictures and settings; "
                "give those that it was built of or a new folder"
            )
    for name in numbers:
        if (folder / name).exists() and not index_path(folder, name).exists():
            raise ShardError(f"{folder}: no job wrote its {name}; give a new folder")


def _readable(path: Path, kind: type[Record]) -> Record | None:
    try:
        return read_record(path, kind, "")
    except OtherFormatError:
        raise
    except ShardError:
        return None


def _is_of(job: Job, index: ShardIndex, numbers: Mapping[str, int]) -> bool:
    return index.shard in numbers and holds(job, numbers[index.shard], index)


def holds(job: Job, number: int, index: ShardIndex) -> bool:
    """Whether an index tells of exactly the pictures of a shard, with their scenes and splits."""
    pictures = [job.pictures[position] for position in job.shard(number)]
    told = {(sample.source, sample.scene, sample.split) for sample in index.samples}
    left_out = {skipped.source for skipped in index.skipped}
    return told == {(p.name, p.scene, p.split) for p in pictures if p.name not in left_out} and left_out <= {
        p.name for p in pictures
    }


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
        "with another map": sorted(name for name in same if before[name].map_bytes != after[name].map_bytes),
        "of another scene": sorted(name for name in same if before[name].scene != after[name].scene),
    }
    return [f"{len(names)} {kind}: {first_few(names)}" for kind, names in kinds.items() if names]


def first_few(names: Sequence[str]) -> str:
    """The first names of a list, for a message of one line."""
    return ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")
