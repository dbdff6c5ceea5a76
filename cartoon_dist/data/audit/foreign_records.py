"""Which records of a shard folder are of another set than its shards: job.json or manifest.json from elsewhere, each
whole in itself.

The shards speak for themselves: an index whose hash is that of its tar. A record that contradicts such shards, while
the other record agrees with them, is of another set; so are both when neither knows most of the shards.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.data.build.finalize import sealed
from cartoon_dist.data.build.job import Job, holds, read_job
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    entry_of,
    read_index,
    read_manifest,
)
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import sha256_of

INDEX = ".index.json"

OF_ANOTHER_SET = "is of another set than the shards here"


@dataclass(frozen=True, kw_only=True)
class Strangers:
    """Which of the two records are of another set. no_job: by the manifest no job built it."""

    job: bool = False
    manifest: bool = False
    no_job: bool = False

    def way_out(self) -> str:
        """What to do where the job is one: it alone knows the pictures."""
        if self.no_job and not self.manifest:
            return f"move {JOB} away: no job built this set here"
        named = f"{JOB} and {MANIFEST}" if self.manifest else JOB
        return (
            f"move {named} away, then give the command that built the folder again: it writes them anew and leaves "
            "whole shards as they are"
        )


@dataclass(frozen=True)
class _Voice:
    """What is known of a shard whose bytes are those that its index tells of.

    in_manifest: the manifest tells of this index; bytes_in_manifest: at least of its tar; in_job: the job gives it
    these pictures.
    """

    in_manifest: bool
    bytes_in_manifest: bool
    in_job: bool


def strangers(folder: Path) -> Strangers:
    """The records of another set. Tars are only read where the records do not agree anyway; none is changed."""
    job, manifest = _job(folder), _manifest(folder)
    if job is None:
        return Strangers()
    indices, numbers = dict(_indices(folder)), {job.name(number): number for number in range(job.num_shards)}
    expected = None
    if manifest and indices.keys() >= numbers.keys():
        expected = sealed(job, (indices[name] for name in numbers))
        if expected == manifest and all(_in_job(job, numbers, indices[name]) for name in numbers):
            return Strangers()
    entries: dict[str, ShardEntry] = {shard.name: shard for shard in manifest.shards} if manifest else {}
    sound = [index for name, index in indices.items() if index.samples and _is_of(folder / name, index)]
    heard = {
        index.shard: _voice(index, manifest, entries.get(index.shard), in_job=_in_job(job, numbers, index))
        for index in sound
    }
    no_job = manifest is not None and manifest.origin == "elsewhere"
    num_strange = sum(not (voice.bytes_in_manifest or voice.in_job) for voice in heard.values())
    if 2 * num_strange > len(heard):  # one or two of them may be strangers themselves, but not most
        return Strangers(job=True, manifest=manifest is not None)
    voices = [voice for name, voice in heard.items() if name in entries or name in numbers]
    if not voices:
        return Strangers()
    num_known = sum(voice.in_job for voice in voices)
    if manifest is None:
        return Strangers(job=2 * num_known <= len(voices))
    fits = any(voice.bytes_in_manifest for voice in voices)
    alike = fits and job.settings_sha256 == manifest.settings_sha256
    contradicted = any(voice.in_manifest and not voice.in_job for voice in voices)
    other_job = contradicted or not (num_known or alike)
    # The job and the indices agree on all of it, and so on what the manifest must say.
    all_known = expected is not None and len(voices) == num_known == len(manifest.shards)
    overruled = any(voice.in_job and not voice.bytes_in_manifest for voice in voices)
    other_manifest = not fits or overruled or (all_known and expected != manifest and not other_job)
    return Strangers(job=other_job, manifest=other_manifest, no_job=no_job)


def _voice(index: ShardIndex, manifest: Manifest | None, entry: ShardEntry | None, *, in_job: bool) -> _Voice:
    same = manifest is not None and index.settings_sha256 == manifest.settings_sha256
    return _Voice(same and entry == entry_of(index), entry is not None and entry.sha256 == index.sha256, in_job)


def _in_job(job: Job, numbers: Mapping[str, int], index: ShardIndex) -> bool:
    same = index.settings_sha256 == job.settings_sha256
    return same and index.shard in numbers and holds(job, numbers[index.shard], index)


def _is_of(tar: Path, index: ShardIndex) -> bool:
    try:
        return tar.stat().st_size == index.bytes and sha256_of(tar) == index.sha256
    except OSError:
        return False


def _indices(folder: Path) -> Iterator[tuple[str, ShardIndex]]:
    for path in sorted(folder.glob(f"*{INDEX}")):
        name = f"{path.name.removesuffix(INDEX)}.tar"
        try:
            index = read_index(folder, name)
        except ShardError:
            continue
        if index.shard == name:
            yield name, index


def _job(folder: Path) -> Job | None:
    try:
        return read_job(folder)
    except ShardError:
        return None


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder) if (folder / MANIFEST).exists() else None
    except ShardError:
        return None
