"""Reads every byte of a shard folder against its indices and its manifest, and names what is wrong.

Damaged tars lose samples without an error in every tar reader, and a flipped bit in a JPEG still decodes. So each shard
is held against its hash, and where that fails its samples are looked at one by one to name those that are hit.
"""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist import config
from cartoon_dist.config import ShardSettings
from cartoon_dist.data.build import build
from cartoon_dist.data.job import Job, first_few, read_job
from cartoon_dist.data.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    SampleEntry,
    ShardEntry,
    ShardIndex,
    entry_of,
    index_path,
    read_index,
    read_manifest,
)
from cartoon_dist.data.sample import LABEL_MEMBER, RECORD_MEMBER, Domain, missing_members
from cartoon_dist.data.write import list_samples
from cartoon_dist.errors import PictureError, ShardError
from cartoon_dist.files import sha256_of
from cartoon_dist.pixels.decode import decode
from cartoon_dist.pixels.header import read_header
from cartoon_dist.progress import Progress


@dataclass(frozen=True)
class Finding:
    """Something wrong: in which shard (None: the whole folder), in which sample (None: the whole shard), and what."""

    shard: str | None
    sample: str | None
    problem: str

    def __str__(self) -> str:
        where = self.shard or MANIFEST
        return f"{where}: sample '{self.sample}' {self.problem}" if self.sample else f"{where}: {self.problem}"


def verify(folder: Path, *, shown: bool) -> tuple[Manifest, list[Finding]]:
    """Everything that is wrong with a shard folder; an empty list when each byte is as its manifest says.

    Raises ShardError when there is no manifest to hold it against.
    """
    manifest = read_manifest(folder)
    findings, keys, sources = list[Finding](), Counter[str](), set[str]()
    total = sum(shard.num_samples for shard in manifest.shards)
    with Progress(total=total, unit="samples", label=f"verify {folder}", shown=shown) as progress:
        done = 0
        for shard in manifest.shards:
            findings += _verify_shard(folder, shard, manifest, keys, sources)
            done += shard.num_samples
            progress.update(done, f"{len(findings)} wrong" if findings else "")
    repeated = sorted(key for key, times in keys.items() if times > 1)
    findings += [Finding(None, key, "is there more than once") for key in repeated]
    if not findings:
        findings += _verify_sources(folder, manifest, sources)
    return manifest, findings


def mend(folder: Path, *, shown: bool) -> int:
    """Rebuild the shards that are wrong from the pictures they were made of, and tell how many.

    Raises ShardError when the folder does not say which pictures those were, or they are gone or changed.
    """
    job = read_job(folder)
    try:
        _, findings = verify(folder, shown=shown)
    except ShardError:  # no manifest, or none that can be read: the shards are judged by their own indices
        findings = _verify_without_manifest(folder, job)
    broken = {finding.shard for finding in findings if finding.shard}
    missing = [number for number in range(job.num_shards) if not index_path(folder, job.name(number)).exists()]
    numbers = sorted({n for n in range(job.num_shards) if job.name(n) in broken} | set(missing))
    _require_sources(job, numbers)
    for number in numbers:
        index_path(folder, job.name(number)).unlink(missing_ok=True)
    # Pictures that were left out then may be left out again, whatever their share.
    settings = config.check(ShardSettings, {**job.settings, "max_broken": 1.0})
    return build(job, folder, settings, shown=shown).num_new


def _verify_shard(
    folder: Path, shard: ShardEntry, manifest: Manifest, keys: Counter[str], sources: set[str]
) -> Iterator[Finding]:
    try:
        index = read_index(folder, shard.name)
    except ShardError as error:
        yield Finding(shard.name, None, f"its index: {error}")
        return
    keys.update(sample.key for sample in index.samples)
    sources.update(sample.source for sample in index.samples)
    if index.settings_sha256 != manifest.settings_sha256:
        yield Finding(shard.name, None, "was built with other settings than the manifest says")
    if entry_of(index) != shard:
        yield Finding(shard.name, None, "its index and the manifest differ in hash, size or counts")
    yield from _verify_tar(folder / shard.name, index, manifest)


def _verify_tar(path: Path, index: ShardIndex, manifest: Manifest) -> Iterator[Finding]:
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
        problem = _sample_problem(path, sample, manifest.domain, manifest.image_size)
        if problem:
            yield Finding(path.name, sample.key, problem)


def _verify_listing(path: Path, index: ShardIndex) -> Iterator[Finding]:
    """Hold what a tar reader meets in the file against the index."""
    try:
        listed = tuple(list_samples(path))
    except (tarfile.TarError, ValueError, LookupError, TypeError, OSError) as error:
        yield Finding(path.name, None, f"cannot be read as a tar ({error})")
        return
    found = {sample.key: sample for sample in listed}
    for sample in index.samples:
        if sample.key not in found:
            yield Finding(path.name, sample.key, "is not in the tar")
        elif found[sample.key] != sample:
            yield Finding(path.name, sample.key, "is not in the tar as the index says")
    unknown = sorted(found.keys() - {sample.key for sample in index.samples})
    if unknown:
        yield Finding(path.name, None, f"holds samples that its index does not list: {first_few(unknown)}")


def _sample_problem(path: Path, sample: SampleEntry, domain: Domain, size: int) -> str | None:
    missing = missing_members(domain, sample.members)
    if missing:
        return f"has no {' and no '.join(missing)}"
    with path.open("rb") as file:
        for name, (offset, length) in sample.members.items():
            file.seek(offset)
            data = file.read(length)
            problem = _member_problem(name, data, length, sample, size)
            if problem:
                return f"has a damaged {name}: {problem}"
    return None


def _member_problem(name: str, data: bytes, length: int, sample: SampleEntry, size: int) -> str | None:
    if len(data) != length:
        return f"{len(data)} of its {length} bytes are there"
    if name == RECORD_MEMBER:
        return _record_problem(data, sample)
    try:
        header = read_header(data)
        if (header.width, header.height) != (size, size):
            return f"{header.width} x {header.height} pixels where the manifest says {size} x {size}"
        decode(data, max_megapixels=size * size / 1e6)
    except PictureError as error:
        return str(error)
    if name == LABEL_MEMBER["photo"] and header.num_channels != 1:
        return "a label is grey, this is not"
    return None


def _record_problem(data: bytes, sample: SampleEntry) -> str | None:
    try:
        record = json.loads(data)
    except ValueError:
        return "not JSON"
    expected = {"source": sample.source, "scene": sample.scene, "split": sample.split}
    if not isinstance(record, dict):
        return "not a JSON object"
    wrong = [key for key, value in expected.items() if record.get(key) != value]
    return f"its {' and '.join(wrong)} are not the index's" if wrong else None


def _verify_sources(folder: Path, manifest: Manifest, sources: set[str]) -> Iterator[Finding]:
    """Each picture of the job gave samples or is listed as left out; a whole shard may be missing from the manifest."""
    if not (folder / JOB).exists():
        return
    told = sources | {skipped.source for skipped in manifest.skipped}
    lost = [picture.name for picture in read_job(folder).pictures if picture.name not in told]
    if lost:
        yield Finding(None, None, f"{len(lost)} pictures of the job are in no shard: {first_few(lost)}")


def _verify_without_manifest(folder: Path, job: Job) -> list[Finding]:
    findings = list[Finding]()
    size = int(str(job.settings["image_size"]))
    sealed = Manifest(job.domain, size, job.settings, job.settings_sha256, (), ())
    for number in range(job.num_shards):
        try:
            index = read_index(folder, job.name(number))
        except ShardError as error:
            findings.append(Finding(job.name(number), None, str(error)))
            continue
        if index.samples:
            findings += _verify_tar(folder / job.name(number), index, sealed)
    return findings


def _require_sources(job: Job, numbers: list[int]) -> None:
    gone = []
    for picture in (job.pictures[position] for number in numbers for position in job.shard(number)):
        path = Path(job.root, picture.name)
        if (path.stat().st_size if path.is_file() else 0) != picture.bytes:
            gone.append(picture.name)
    if gone:
        raise ShardError(
            f"{job.root}: {len(gone)} pictures of the broken shards are gone or changed: {first_few(gone)}; "
            "put them back, or build the shards into a new folder"
        )
