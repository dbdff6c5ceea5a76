"""Checks every byte of a shard folder against its indices and its manifest, and names each problem.

Damaged tars lose samples without an error in every tar reader, and a flipped bit in a JPEG still decodes. So each shard
is compared with its hash, and each of its samples is decoded, to name those that are damaged. The records are compared
with their own hashes and with one another.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cartoon_dist.console.messages import first_few
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.audit.integrity import SampleSpec, check_sample
from cartoon_dist.data.audit.mismatched_records import OF_ANOTHER_SET, MismatchedRecords, find_mismatched_records
from cartoon_dist.data.build.finalize import manifest_from_indices
from cartoon_dist.data.build.job import Job, index_matches_job, read_job
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    has_valid_hash,
    index_path,
    read_index,
    read_manifest,
    settings_sha256,
    shard_entry,
)
from cartoon_dist.data.format.tar_index import read_tar_samples
from cartoon_dist.errors import ShardError
from cartoon_dist.files.bounded import sha256_of


@dataclass(frozen=True)
class Problem:
    """A problem of a shard folder: in which file, in which sample of it (None: the whole file), and what it is."""

    file: str
    sample: str | None
    description: str

    def __str__(self) -> str:
        sample = f"sample '{self.sample}' " if self.sample else ""
        return f"{self.file}: {sample}{self.description}"


_NUM_ONE_BY_ONE = 3
_DIGITS = re.compile(r"\d+")


def group_by_cause(problems: Sequence[Problem]) -> Iterator[str]:
    """The problems as lines, in order. Many of one cause, which may differ in the numbers they name, share a line."""
    causes: dict[str, list[Problem]] = {}
    for problem in problems:
        causes.setdefault(_DIGITS.sub("0", problem.description), []).append(problem)
    for same in causes.values():
        if len(same) <= _NUM_ONE_BY_ONE:
            yield from map(str, same)
        else:
            names = [f"{other.file}: '{other.sample}'" if other.sample else other.file for other in same[1:]]
            yield f"{same[0]}; the like {len(names)} times more: {first_few(names)}"


def verify_folder(folder: Path, *, shown: bool) -> tuple[Manifest, list[Problem]]:
    """The manifest of a shard folder and all its problems; none when each byte is as the manifest says.

    Other files in the folder are ignored. Raises ShardError when there is no manifest to compare with.
    """
    manifest, mismatched = read_manifest(folder), find_mismatched_records(folder)
    if mismatched.manifest:
        return manifest, _without_manifest(folder, mismatched)
    problems, indices = list[Problem](), dict[str, ShardIndex]()
    total = sum(shard.num_samples for shard in manifest.shards)
    with Progress(total=total, unit="samples", label=f"verify {folder}", shown=shown) as progress:
        done = 0
        for shard in manifest.shards:
            problems += _verify_shard(folder, shard, manifest, indices)
            done += shard.num_samples
            progress.update(done, f"{len(problems)} wrong" if problems else "")
    counts = Counter(sample.key for index in indices.values() for sample in index.samples)
    problems += [Problem(MANIFEST, key, "is there more than once") for key in sorted(counts) if counts[key] > 1]
    if mismatched.job:
        problems.append(Problem(JOB, None, OF_ANOTHER_SET))
    elif manifest.origin == "job":
        problems += _verify_job(folder, manifest, indices)
    problems += _verify_manifest(folder, manifest)
    return manifest, problems


def _without_manifest(folder: Path, mismatched: MismatchedRecords) -> list[Problem]:
    """The problems where the manifest belongs to another set: the shards are checked by their indices and the job."""
    if mismatched.job:
        return [Problem(JOB, None, OF_ANOTHER_SET), Problem(MANIFEST, None, OF_ANOTHER_SET)]
    job = read_job(folder)
    shards = (verify_shard_by_index(folder, job, shard_number) for shard_number in range(job.num_shards))
    return [Problem(MANIFEST, None, "is not what the indices of the shards say"), *chain.from_iterable(shards)]


def verify_shard_by_index(folder: Path, job: Job, shard_number: int) -> list[Problem]:
    """The problems of one shard of a job, where there is no manifest: it is checked by its own index."""
    name, size = job.tar_name(shard_number), int(str(job.settings["image_size"]))
    try:
        index = read_index(folder, name)
    except ShardError as error:
        return [Problem(name, None, f"its index: {error}")]
    spec = SampleSpec(domain=job.domain, image_size=size, require_record=True)
    problems = list(_verify_index(folder, index, name, job.settings_sha256))
    return problems + (list(_verify_tar(folder / name, index, spec)) if index.samples else [])


def _verify_shard(
    folder: Path, shard: ShardEntry, manifest: Manifest, indices: dict[str, ShardIndex]
) -> Iterator[Problem]:
    try:
        index = indices[shard.name] = read_index(folder, shard.name)
    except ShardError as error:
        yield Problem(shard.name, None, f"its index: {error}")
        return
    yield from _verify_index(folder, index, shard.name, manifest.settings_sha256)
    if shard_entry(index) != shard:
        yield Problem(shard.name, None, "its index and the manifest differ in hash, size or counts")
    require_record = manifest.origin == "job"
    spec = SampleSpec(domain=manifest.domain, image_size=manifest.image_size, require_record=require_record)
    yield from _verify_tar(folder / shard.name, index, spec)


def _verify_index(folder: Path, index: ShardIndex, name: str, settings: str) -> Iterator[Problem]:
    if index.shard != name:
        yield Problem(name, None, f"its index is that of {index.shard}")
    if index.settings_sha256 != settings:
        yield Problem(name, None, "was built with other settings than the manifest says")
    if not has_valid_hash(index_path(folder, name)):
        yield Problem(name, None, "its index carries no hash of itself: an older version wrote it, or it was edited")


def _verify_tar(path: Path, index: ShardIndex, spec: SampleSpec) -> Iterator[Problem]:
    try:
        num_bytes = path.stat().st_size
        sha256 = sha256_of(path)
    except OSError as error:
        yield Problem(path.name, None, f"cannot be read ({error.strerror})")
        return
    if num_bytes != index.bytes:
        yield Problem(path.name, None, f"has {num_bytes} bytes where its index says {index.bytes}")
    elif sha256 != index.sha256:
        yield Problem(path.name, None, "its bytes are not those that were written (sha256 differs)")
    yield from _verify_listing(path, index)
    for sample in index.samples:
        problem = check_sample(path, sample, spec)
        if problem:
            yield Problem(path.name, sample.key, problem)


def _verify_listing(path: Path, index: ShardIndex) -> Iterator[Problem]:
    """Compare the samples that a tar reader finds in the file with the index."""
    try:
        in_tar = {group.key: group.members for group in read_tar_samples(path)}
    except ShardError as error:
        yield Problem(path.name, None, str(error))
        return
    for sample in index.samples:
        if sample.key not in in_tar:
            yield Problem(path.name, sample.key, "is not in the tar")
        elif in_tar[sample.key] != sample.members:
            yield Problem(path.name, sample.key, "is not in the tar as the index says")
    unknown = sorted(in_tar.keys() - {sample.key for sample in index.samples})
    if unknown:
        yield Problem(path.name, None, f"holds samples that its index does not list: {first_few(unknown)}")


def _verify_job(folder: Path, manifest: Manifest, indices: dict[str, ShardIndex]) -> Iterator[Problem]:
    """Compare job.json with the rest: each picture has samples or is listed as skipped, in the right shard."""
    try:
        job = read_job(folder)
    except ShardError as error:
        yield Problem(JOB, None, str(error))
        return
    if not has_valid_hash(folder / JOB):
        yield Problem(JOB, None, "carries no hash of itself: an older version wrote it, or it was edited")
    if job.settings_sha256 != manifest.settings_sha256:
        yield Problem(JOB, None, "has other settings than the manifest")
        return
    listed, all_indices = {shard.name for shard in manifest.shards}, dict(indices)
    for shard_number in range(job.num_shards):
        name = job.tar_name(shard_number)
        if name not in listed:  # a shard without samples, or one that the manifest has lost
            try:
                all_indices[name] = read_index(folder, name)
            except ShardError as error:
                yield Problem(name, None, f"its index: {error}")
                continue
            yield from _verify_index(folder, all_indices[name], name, job.settings_sha256)
        if name in all_indices and not index_matches_job(job, shard_number, all_indices[name]):
            yield Problem(name, None, f"its index does not list the pictures that {JOB} gives it")
    names = [job.tar_name(shard_number) for shard_number in range(job.num_shards)]
    is_complete = all_indices.keys() == set(names)
    if is_complete and manifest_from_indices(job, (all_indices[name] for name in names)) != manifest:
        yield Problem(MANIFEST, None, "is not what the indices of the shards say")


def _verify_manifest(folder: Path, manifest: Manifest) -> Iterator[Problem]:
    if not has_valid_hash(folder / MANIFEST):
        yield Problem(MANIFEST, None, "carries no hash of itself: an older version wrote it, or it was edited")
    if manifest.settings_sha256 != settings_sha256(manifest.domain, manifest.settings):
        yield Problem(MANIFEST, None, "its settings are not those of their hash")
