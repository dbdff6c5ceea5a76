"""Reads every byte of a shard folder against its indices and its manifest, and names what is wrong.

Damaged tars lose samples without an error in every tar reader, and a flipped bit in a JPEG still decodes. So each shard
is held against its hash, and where that fails its samples are looked at one by one to name those that are hit. The
records are held against their own hashes and against one another.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cartoon_dist.console.progress import Progress
from cartoon_dist.data.audit.foreign_records import OF_ANOTHER_SET, Strangers, strangers
from cartoon_dist.data.audit.integrity import Wanted, sample_problem
from cartoon_dist.data.build.finalize import sealed
from cartoon_dist.data.build.job import Job, first_few, holds, read_job
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    entry_of,
    index_path,
    is_as_written,
    read_index,
    read_manifest,
    settings_sha256,
)
from cartoon_dist.data.format.tar_index import read_groups
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import sha256_of


@dataclass(frozen=True)
class Finding:
    """Something wrong: in which file, in which sample of it (None: the whole file), and what."""

    file: str
    sample: str | None
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: sample '{self.sample}' {self.problem}" if self.sample else f"{self.file}: {self.problem}"


_NUM_IN_FULL = 3
_NUMBER = re.compile(r"\d+")


def by_cause(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings in words, those of one cause, whatever numbers they name, on one line once there are many of them;
    in the order of the first."""
    causes: dict[str, list[Finding]] = {}
    for finding in findings:
        causes.setdefault(_NUMBER.sub("0", finding.problem), []).append(finding)
    for same in causes.values():
        if len(same) <= _NUM_IN_FULL:
            yield from map(str, same)
        else:
            names = [f"{other.file}: '{other.sample}'" if other.sample else other.file for other in same[1:]]
            yield f"{same[0]}; the like {len(names)} times more: {first_few(names)}"


def verify(folder: Path, *, shown: bool) -> tuple[Manifest, list[Finding]]:
    """Everything that is wrong with a shard folder; an empty list when each byte is as its manifest says.

    Files that are not of the set are not looked at. Raises ShardError when there is no manifest to hold it against.
    """
    manifest, others = read_manifest(folder), strangers(folder)
    if others.manifest:
        return manifest, _without_manifest(folder, others)
    findings, indices = list[Finding](), dict[str, ShardIndex]()
    total = sum(shard.num_samples for shard in manifest.shards)
    with Progress(total=total, unit="samples", label=f"verify {folder}", shown=shown) as progress:
        done = 0
        for shard in manifest.shards:
            findings += _verify_shard(folder, shard, manifest, indices)
            done += shard.num_samples
            progress.update(done, f"{len(findings)} wrong" if findings else "")
    times = Counter(sample.key for index in indices.values() for sample in index.samples)
    findings += [Finding(MANIFEST, key, "is there more than once") for key in sorted(times) if times[key] > 1]
    if others.job:
        findings.append(Finding(JOB, None, OF_ANOTHER_SET))
    elif manifest.origin == "job":
        findings += _verify_job(folder, manifest, indices)
    findings += _verify_manifest(folder, manifest)
    return manifest, findings


def _without_manifest(folder: Path, others: Strangers) -> list[Finding]:
    """What is wrong where the manifest is of another set: the shards are judged by their indices and the job."""
    if others.job:
        return [Finding(JOB, None, OF_ANOTHER_SET), Finding(MANIFEST, None, OF_ANOTHER_SET)]
    job = read_job(folder)
    shards = (verify_shard_alone(folder, job, number) for number in range(job.num_shards))
    return [Finding(MANIFEST, None, "is not what the indices of the shards say"), *chain.from_iterable(shards)]


def verify_shard_alone(folder: Path, job: Job, number: int) -> list[Finding]:
    """What is wrong with one shard of a job, where there is no manifest to ask: it is judged by its own index."""
    name, size = job.name(number), int(str(job.settings["image_size"]))
    try:
        index = read_index(folder, name)
    except ShardError as error:
        return [Finding(name, None, f"its index: {error}")]
    wanted = Wanted(domain=job.domain, image_size=size, whole_record=True)
    findings = list(_verify_index(folder, index, name, job.settings_sha256))
    return findings + (list(_verify_tar(folder / name, index, wanted)) if index.samples else [])


def _verify_shard(
    folder: Path, shard: ShardEntry, manifest: Manifest, indices: dict[str, ShardIndex]
) -> Iterator[Finding]:
    try:
        index = indices[shard.name] = read_index(folder, shard.name)
    except ShardError as error:
        yield Finding(shard.name, None, f"its index: {error}")
        return
    yield from _verify_index(folder, index, shard.name, manifest.settings_sha256)
    if entry_of(index) != shard:
        yield Finding(shard.name, None, "its index and the manifest differ in hash, size or counts")
    whole_record = manifest.origin == "job"
    wanted = Wanted(domain=manifest.domain, image_size=manifest.image_size, whole_record=whole_record)
    yield from _verify_tar(folder / shard.name, index, wanted)


def _verify_index(folder: Path, index: ShardIndex, name: str, settings: str) -> Iterator[Finding]:
    if index.shard != name:
        yield Finding(name, None, f"its index is that of {index.shard}")
    if index.settings_sha256 != settings:
        yield Finding(name, None, "was built with other settings than the manifest says")
    if not is_as_written(index_path(folder, name)):
        yield Finding(name, None, "its index carries no hash of itself: an older version wrote it, or it was edited")


def _verify_tar(path: Path, index: ShardIndex, wanted: Wanted) -> Iterator[Finding]:
    try:
        num_bytes = path.stat().st_size
        sha256 = sha256_of(path)
    except OSError as error:
        yield Finding(path.name, None, f"cannot be read ({error.strerror})")
        return
    if num_bytes != index.bytes:
        yield Finding(path.name, None, f"has {num_bytes} bytes where its index says {index.bytes}")
    elif sha256 != index.sha256:
        yield Finding(path.name, None, "its bytes are not those that were written (sha256 differs)")
    yield from _verify_listing(path, index)
    for sample in index.samples:
        problem = sample_problem(path, sample, wanted)
        if problem:
            yield Finding(path.name, sample.key, problem)


def _verify_listing(path: Path, index: ShardIndex) -> Iterator[Finding]:
    """Hold what a tar reader meets in the file against the index."""
    try:
        found = {group.key: group.members for group in read_groups(path)}
    except ShardError as error:
        yield Finding(path.name, None, str(error))
        return
    for sample in index.samples:
        if sample.key not in found:
            yield Finding(path.name, sample.key, "is not in the tar")
        elif found[sample.key] != sample.members:
            yield Finding(path.name, sample.key, "is not in the tar as the index says")
    unknown = sorted(found.keys() - {sample.key for sample in index.samples})
    if unknown:
        yield Finding(path.name, None, f"holds samples that its index does not list: {first_few(unknown)}")


def _verify_job(folder: Path, manifest: Manifest, indices: dict[str, ShardIndex]) -> Iterator[Finding]:
    """Hold job.json against the rest: each picture gave samples or is listed as left out, where it belongs."""
    try:
        job = read_job(folder)
    except ShardError as error:
        yield Finding(JOB, None, str(error))
        return
    if not is_as_written(folder / JOB):
        yield Finding(JOB, None, "carries no hash of itself: an older version wrote it, or it was edited")
    if job.settings_sha256 != manifest.settings_sha256:
        yield Finding(JOB, None, "tells of other settings than the manifest")
        return
    listed, every = {shard.name for shard in manifest.shards}, dict(indices)
    for number in range(job.num_shards):
        name = job.name(number)
        if name not in listed:  # a shard without samples, or one that the manifest has lost
            try:
                every[name] = read_index(folder, name)
            except ShardError as error:
                yield Finding(name, None, f"its index: {error}")
                continue
            yield from _verify_index(folder, every[name], name, job.settings_sha256)
        if name in every and not holds(job, number, every[name]):
            yield Finding(name, None, f"its index does not tell of the pictures that {JOB} gives it")
    names = [job.name(number) for number in range(job.num_shards)]
    if every.keys() == set(names) and sealed(job, (every[name] for name in names)) != manifest:
        yield Finding(MANIFEST, None, "is not what the indices of the shards say")


def _verify_manifest(folder: Path, manifest: Manifest) -> Iterator[Finding]:
    if not is_as_written(folder / MANIFEST):
        yield Finding(MANIFEST, None, "carries no hash of itself: an older version wrote it, or it was edited")
    if manifest.settings_sha256 != settings_sha256(manifest.domain, manifest.settings):
        yield Finding(MANIFEST, None, "its settings are not those of their hash")
