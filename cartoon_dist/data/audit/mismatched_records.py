"""Finds records that belong to another set than the shards of their folder: job.json or manifest.json copied from
elsewhere, each valid in itself.

The evidence is the shards whose index has the hash of the tar. A record that contradicts these shards, while the other
record agrees with them, belongs to another set; so do both when neither lists most of the shards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.data.build.finalize import manifest_from_indices
from cartoon_dist.data.build.job import Job, index_matches_job, read_job
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    read_index,
    read_manifest,
    shard_entry,
)
from cartoon_dist.errors import ShardError
from cartoon_dist.files.bounded import sha256_of

INDEX_SUFFIX = ".index.json"

OF_ANOTHER_SET = "is of another set than the shards here"


@dataclass(frozen=True, kw_only=True)
class MismatchedRecords:
    """Which of the two records belong to another set. no_job: the manifest says that no job built the set."""

    job: bool = False
    manifest: bool = False
    no_job: bool = False

    def remedy(self) -> str:
        """What the user should do where the job is one of them: only the right job knows the pictures."""
        if self.no_job and not self.manifest:
            return f"move {JOB} away: no job built this set here"
        records = f"{JOB} and {MANIFEST}" if self.manifest else JOB
        return (
            f"move {records} away, then give the command that built the folder again: it writes them anew and leaves "
            "whole shards as they are"
        )


@dataclass(frozen=True)
class _ShardEvidence:
    """What agrees with a shard whose tar has the hash in its index.

    in_manifest: the manifest has the same entry as its index; bytes_in_manifest: at least the same hash of its tar;
    in_job: the job assigns these pictures to it.
    """

    in_manifest: bool
    bytes_in_manifest: bool
    in_job: bool


def find_mismatched_records(folder: Path) -> MismatchedRecords:
    """The records that belong to another set. Reads tars only where the records disagree; changes none."""
    job, manifest = _read_job_or_none(folder), _read_manifest_or_none(folder)
    if job is None:
        return MismatchedRecords()
    indices = dict(_valid_indices(folder))
    shard_numbers = {job.tar_name(n): n for n in range(job.num_shards)}
    expected = None
    if manifest and indices.keys() >= shard_numbers.keys():
        expected = manifest_from_indices(job, (indices[name] for name in shard_numbers))
        if expected == manifest and all(_matches_job(job, shard_numbers, indices[name]) for name in shard_numbers):
            return MismatchedRecords()
    entries: dict[str, ShardEntry] = {shard.name: shard for shard in manifest.shards} if manifest else {}
    sound = [index for name, index in indices.items() if index.samples and _matches_tar(folder / name, index)]
    evidence = {
        index.shard: _evidence(
            index, manifest, entries.get(index.shard), in_job=_matches_job(job, shard_numbers, index)
        )
        for index in sound
    }
    no_job = manifest is not None and manifest.origin == "elsewhere"
    num_unknown = sum(not (shard.bytes_in_manifest or shard.in_job) for shard in evidence.values())
    if 2 * num_unknown > len(evidence):  # a few shards may themselves be of another set, but not most
        return MismatchedRecords(job=True, manifest=manifest is not None)
    listed = [shard for name, shard in evidence.items() if name in entries or name in shard_numbers]
    if not listed:
        return MismatchedRecords()
    num_in_job = sum(shard.in_job for shard in listed)
    if manifest is None:
        return MismatchedRecords(job=2 * num_in_job <= len(listed))
    manifest_fits = any(shard.bytes_in_manifest for shard in listed)
    same_settings = manifest_fits and job.settings_sha256 == manifest.settings_sha256
    job_contradicted = any(shard.in_manifest and not shard.in_job for shard in listed)
    other_job = job_contradicted or not (num_in_job or same_settings)
    # Where the job and all indices agree, they define what the manifest must be.
    all_in_job = expected is not None and len(listed) == num_in_job == len(manifest.shards)
    manifest_contradicted = any(shard.in_job and not shard.bytes_in_manifest for shard in listed)
    differs = all_in_job and expected != manifest and not other_job
    other_manifest = not manifest_fits or manifest_contradicted or differs
    return MismatchedRecords(job=other_job, manifest=other_manifest, no_job=no_job)


def _evidence(
    index: ShardIndex, manifest: Manifest | None, entry: ShardEntry | None, *, in_job: bool
) -> _ShardEvidence:
    same = manifest is not None and index.settings_sha256 == manifest.settings_sha256
    return _ShardEvidence(
        same and entry == shard_entry(index), entry is not None and entry.sha256 == index.sha256, in_job
    )


def _matches_job(job: Job, shard_numbers: Mapping[str, int], index: ShardIndex) -> bool:
    same = index.settings_sha256 == job.settings_sha256
    return same and index.shard in shard_numbers and index_matches_job(job, shard_numbers[index.shard], index)


def _matches_tar(tar: Path, index: ShardIndex) -> bool:
    try:
        return tar.stat().st_size == index.bytes and sha256_of(tar) == index.sha256
    except OSError:
        return False


def _valid_indices(folder: Path) -> Iterator[tuple[str, ShardIndex]]:
    for path in sorted(folder.glob(f"*{INDEX_SUFFIX}")):
        name = f"{path.name.removesuffix(INDEX_SUFFIX)}.tar"
        try:
            index = read_index(folder, name)
        except ShardError:
            continue
        if index.shard == name:
            yield name, index


def _read_job_or_none(folder: Path) -> Job | None:
    try:
        return read_job(folder)
    except ShardError:
        return None


def _read_manifest_or_none(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder) if (folder / MANIFEST).exists() else None
    except ShardError:
        return None
