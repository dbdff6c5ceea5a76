"""The plan of a shard job, written to job.json before it starts: settings and input pictures, divided into shards.

With `job.json` a killed job can be resumed and a damaged shard rebuilt: shard k holds the k-th run of the sorted
pictures, and its bytes depend on the pictures and the settings alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.console.messages import first_few
from cartoon_dist.data.build.output_settings import LATER_SETTINGS, output_settings
from cartoon_dist.data.build.prepare import PictureTask
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    OtherFormatError,
    Record,
    ShardIndex,
    has_valid_hash,
    index_path,
    read_index,
    read_record,
    record_bytes,
    settings_sha256,
    shard_name,
    write_record,
)
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.inputs.arguments import excluded_folders
from cartoon_dist.data.inputs.external_labels import map_bytes, with_map_sizes
from cartoon_dist.data.inputs.frame_reuse import make_frame_chooser
from cartoon_dist.data.inputs.search import IgnoredFiles, suffix_of
from cartoon_dist.data.inputs.sources import ChosenFrame, InputPicture, find_pictures
from cartoon_dist.errors import ConfigError, ShardError
from cartoon_dist.files.atomic import write_if_absent
from cartoon_dist.image.file_kinds import FIRST_SUFFIXES, IMAGE_SUFFIXES, LATER_SUFFIXES

RESTORE_HINT = "give the command that built the folder again, it writes the file anew"


@dataclass(frozen=True)
class Job:
    """A shard job's inputs: pictures below `root`, and the settings that shape the shards."""

    domain: Domain
    settings: dict[str, object]
    settings_sha256: str
    root: str
    pictures: tuple[InputPicture, ...]

    @property
    def pictures_per_shard(self) -> int:
        """Pictures a shard; counted before tiling, so that the tiles of one picture do not move the others' shards."""
        return int(str(self.settings["samples_per_shard"]))

    @property
    def num_shards(self) -> int:
        """How many shards the pictures are divided into."""
        return math.ceil(len(self.pictures) / self.pictures_per_shard)

    def picture_range(self, shard_number: int) -> range:
        """The positions of a shard's pictures."""
        first = shard_number * self.pictures_per_shard
        return range(first, min(first + self.pictures_per_shard, len(self.pictures)))

    def tar_name(self, shard_number: int) -> str:
        """The file name of a shard's tar."""
        return shard_name(self.domain, shard_number)


def make_task(job: Job, position: int) -> PictureTask:
    """The task that prepares the picture at a position."""
    picture = job.pictures[position]
    return PictureTask(position, Path(job.root, picture.file), picture)


def plan_job(
    inputs: Sequence[str],
    *,
    domain: Domain,
    settings: ShardSettings,
    folder: Path | None = None,
    ignored: IgnoredFiles | None = None,
    shown: bool = False,
) -> Job:
    """Find the pictures and split them; writes nothing, and reads no pixels but those of videos.

    A video is looked through once: when the folder already holds a job with the same video and settings, its frames are
    taken from there. The output folder and the folder of the maps are not searched when they lie inside an input. Files
    that were not taken are added to `ignored`. Raises ConfigError when the folder is one of the inputs, or holds
    pictures.
    """
    shaping = output_settings(settings)
    external = settings.saliency.external if domain == "photo" else None
    excluded = excluded_folders(inputs, folder, external)
    choose_frames = make_frame_chooser(settings, lambda: _known_frames(folder, shaping) if folder else {}, shown=shown)
    listed = find_pictures(
        inputs,
        test_fraction=settings.test_fraction,
        seed=settings.seed,
        choose_frames=choose_frames,
        ignored=ignored,
        excluded=excluded,
        suffixes=_suffixes(folder),
    )
    pictures = listed.pictures
    if external is not None:
        folder_of_maps = Path(external).absolute()  # --mend may run in another working directory
        shaping["saliency"] = {**shaping["saliency"], "external": str(folder_of_maps)}
        ignored_maps = IgnoredFiles()
        pictures = with_map_sizes(pictures, folder_of_maps, ignored_maps)
        if ignored is not None:
            ignored.maps = ignored_maps.in_words()
    return Job(domain, shaping, settings_sha256(domain, shaping), listed.root, pictures)


def _suffixes(folder: Path | None) -> frozenset[str]:
    """Which files of a searched folder are pictures. A job that was begun with the first kinds alone, as all were by
    earlier versions, goes on so: other files beside its pictures would make it another job."""
    existing = _read_or_none(folder / JOB, Job) if folder else None
    names = [picture.name for picture in existing.pictures if picture.frame is None] if existing else []
    begun_without = existing is not None and not any(suffix_of(name) in LATER_SUFFIXES for name in names)
    return FIRST_SUFFIXES if begun_without else IMAGE_SUFFIXES


def _known_frames(folder: Path, shaping: Mapping[str, object]) -> dict[tuple[str, int], list[ChosenFrame]]:
    """The frames that the folder's job chose, by the name and size of each video; none if its settings were others."""
    existing = _read_or_none(folder / JOB, Job)
    known: dict[tuple[str, int], list[ChosenFrame]] = {}
    if existing and all(existing.settings.get(name) == shaping[name] for name in ("video", "duplicate_bits")):
        for picture in existing.pictures:
            if picture.frame:
                frame = ChosenFrame(picture.name.rpartition("/")[2], picture.frame)
                known.setdefault((picture.file, picture.bytes), []).append(frame)
    return known


def read_job(folder: Path) -> Job:
    """The job that a shard folder was built by; ShardError when its job.json is missing or damaged."""
    job = read_record(folder / JOB, Job, RESTORE_HINT)
    if job.settings_sha256 != settings_sha256(job.domain, job.settings) or "samples_per_shard" not in job.settings:
        raise ShardError(f"{folder / JOB}: damaged, its settings are not those of their hash; {RESTORE_HINT}")
    return job


def job_settings(job: Job, folder: Path, **run_only: object) -> ShardSettings:
    """The settings of a folder's job, with `run_only` settings for how it runs now."""
    try:
        return check(ShardSettings, {**job.settings, **run_only})
    except ConfigError as error:
        raise ShardError(f"{folder / JOB}: another version wrote it ({error}); build into a new folder") from None


def require_pictures(job: Job, shard_numbers: Iterable[int]) -> None:
    """ShardError unless the pictures of these shards, and their maps, are there with the sizes that the job found."""
    changed = []
    positions = (position for number in shard_numbers for position in job.picture_range(number))
    for picture in map(job.pictures.__getitem__, positions):
        path = Path(job.root, picture.file)
        same_map = picture.map_bytes is None or picture.map_bytes == map_bytes(picture, _folder_of_maps(job))
        if (path.stat().st_size if path.is_file() else 0) != picture.bytes or not same_map:
            changed.append(picture.name)
    if changed:
        maps = ", or their maps," if any(picture.map_bytes is not None for picture in job.pictures) else ""
        raise ShardError(
            f"{job.root}: {len(changed)} pictures of the shards to build{maps} are gone or changed: "
            f"{first_few(changed)}; put them back, or build the shards into a new folder"
        )


def _folder_of_maps(job: Job) -> Path:
    return Path(str(overrides.flatten(job.settings)["saliency.external"]))


def write_or_check_job(job: Job, folder: Path) -> None:
    """Write job.json, or check that the one in the folder has the same settings and pictures.

    A job.json that is lost or damaged is written anew when the shards are this job's. Raises ShardError that names what
    differs; a folder never holds shards of two jobs, and no file that a job did not write is replaced.
    """
    try:
        existing = read_job(folder)
    except OtherFormatError:
        raise
    except ShardError:
        _require_only_own_files(job, folder)
        if (folder / JOB).exists():
            write_record(folder / JOB, job)
        elif not write_if_absent(folder / JOB, record_bytes(vars(job))):  # another process has just started a job here
            write_or_check_job(job, folder)
        return
    if existing == job and has_valid_hash(folder / JOB):
        return
    if existing.domain != job.domain:
        raise ShardError(f"{folder}: holds {existing.domain} shards; build {job.domain} shards into another folder")
    changes = overrides.differences(LATER_SETTINGS | existing.settings, LATER_SETTINGS | job.settings, frozenset())
    if changes:
        raise ShardError(
            f"{folder}: begun with other settings ({', '.join(changes)}); give the old ones or a new folder"
        )
    changes = _changed_pictures(existing, job)
    if changes:
        raise ShardError(
            f"{folder}: begun with other pictures ({'; '.join(changes)}); restore them or give a new folder"
        )
    write_record(folder / JOB, job)  # the same pictures may have moved


def _require_only_own_files(job: Job, folder: Path) -> None:
    """ShardError unless all files of a folder without a readable job.json are ones that this job would write.

    Damaged records are ignored: they will be written anew.
    """
    manifest = _read_or_none(folder / MANIFEST, Manifest)
    if manifest and manifest.settings_sha256 != job.settings_sha256:
        raise ShardError(f"{folder}: holds a set made otherwise, without a readable {JOB}; give a new folder")
    shard_numbers = {job.tar_name(number): number for number in range(job.num_shards)}
    for path in sorted(folder.glob("*.index.json")):
        index = _read_or_none(path, ShardIndex)
        if index and (index.settings_sha256 != job.settings_sha256 or not _index_matches(job, index, shard_numbers)):
            raise ShardError(
                f"{folder}: has no readable {JOB}, and {index.shard} is not of these pictures and settings; "
                "give those that it was built of or a new folder"
            )
    for name in shard_numbers:
        if (folder / name).exists() and not index_path(folder, name).exists():
            raise ShardError(f"{folder}: no job wrote its {name}; give a new folder")


def _read_or_none(path: Path, kind: type[Record]) -> Record | None:
    try:
        return read_record(path, kind, "")
    except OtherFormatError:
        raise
    except ShardError:
        return None


def _index_matches(job: Job, index: ShardIndex, shard_numbers: Mapping[str, int]) -> bool:
    return index.shard in shard_numbers and index_matches_job(job, shard_numbers[index.shard], index)


def index_matches_job(job: Job, shard_number: int, index: ShardIndex) -> bool:
    """Whether an index lists exactly the pictures of a shard, with their scenes and splits."""
    pictures = [job.pictures[position] for position in job.picture_range(shard_number)]
    indexed = {(sample.source, sample.scene, sample.split) for sample in index.samples}
    skipped_names = {skipped.source for skipped in index.skipped}
    expected = {(p.name, p.scene, p.split) for p in pictures if p.name not in skipped_names}
    return indexed == expected and skipped_names <= {p.name for p in pictures}


def finished_shard(job: Job, folder: Path, shard_number: int) -> ShardIndex | None:
    """The index of a shard that is complete and made by this job's settings, or None when it is still to be built."""
    name = job.tar_name(shard_number)
    try:
        index = read_index(folder, name)
    except ShardError:
        return None
    if index.settings_sha256 != job.settings_sha256:
        return None
    if not index.samples:  # all its pictures were skipped, so there is no tar
        return index
    tar = folder / name
    return index if tar.is_file() and tar.stat().st_size == index.bytes else None


def _changed_pictures(existing: Job, job: Job) -> list[str]:
    before = {picture.name: picture for picture in existing.pictures}
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
