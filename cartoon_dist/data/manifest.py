"""What a shard folder says of itself: one index beside each shard, and the manifest that seals the folder.

    photo-000000.tar  photo-000000.index.json     the index is written after its tar: it marks the shard as complete
    manifest.json                                 written last: settings, all shards, and the pictures left out

All are JSON with the number of the format first, written under another name and put in place in one step.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from cartoon_dist.data.sample import FORMAT, Domain, Split
from cartoon_dist.errors import ShardError
from cartoon_dist.files import write_whole

MANIFEST = "manifest.json"
JOB = "job.json"


@dataclass(frozen=True)
class SampleEntry:
    """One sample as its shard's index lists it.

    `members` maps each member, such as `photo.png`, to the offset and length in bytes of its payload in the tar.
    """

    key: str
    source: str
    scene: str
    split: Split
    members: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Skipped:
    """A source picture that gave no sample, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class ShardIndex:
    """One shard's contents; `sha256` and `bytes` are those of its tar, `shard` is the tar's file name."""

    shard: str
    sha256: str
    bytes: int
    settings_sha256: str
    samples: tuple[SampleEntry, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class ShardEntry:
    """One shard as the manifest lists it; `name` is the tar's file name."""

    name: str
    sha256: str
    bytes: int
    num_samples: int
    num_train: int
    num_test: int


@dataclass(frozen=True)
class Manifest:
    """A whole shard folder: what it holds and the settings that shaped it."""

    domain: Domain
    image_size: int
    settings: dict[str, object]
    settings_sha256: str
    shards: tuple[ShardEntry, ...]
    skipped: tuple[Skipped, ...]

    def fingerprint(self) -> str:
        """A hash of all the bytes the samples come from: two folders with the same fingerprint train the same."""
        return hashlib.sha256("\n".join(shard.sha256 for shard in self.shards).encode()).hexdigest()


def shard_name(domain: Domain, number: int) -> str:
    """The file name of a shard's tar."""
    return f"{domain}-{number:06d}.tar"


def index_path(folder: Path, shard: str) -> Path:
    """Where the index of a shard lies, given the tar's file name."""
    return folder / f"{shard.removesuffix('.tar')}.index.json"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished shard folder.

    Raises ShardError when the folder is missing, unfinished or no shard folder, or its manifest is damaged or of
    another format.
    """
    if not folder.is_dir():
        raise ShardError(f"{folder}: no such folder; build it with shards/photos.py or shards/cartoons.py")
    if not (folder / MANIFEST).exists():
        if (folder / JOB).exists():
            raise ShardError(f"{folder}: its build was not finished; run the command that builds it again")
        raise ShardError(f"{folder}: no {MANIFEST}; give a folder built by shards/photos.py or shards/cartoons.py")
    return read_record(folder / MANIFEST, Manifest, _mend(folder))


def read_index(folder: Path, shard: str) -> ShardIndex:
    """The index of a shard, given the tar's file name; ShardError when it is missing, damaged or of another format."""
    return read_record(index_path(folder, shard), ShardIndex, _mend(folder))


def entry_of(index: ShardIndex) -> ShardEntry:
    """The manifest's line for a shard."""
    num_test = sum(sample.split == "test" for sample in index.samples)
    num_samples = len(index.samples)
    return ShardEntry(index.shard, index.sha256, index.bytes, num_samples, num_samples - num_test, num_test)


def settings_sha256(domain: Domain, settings: dict[str, object]) -> str:
    """One hash for all that shapes the shards' bytes besides the pictures."""
    text = json.dumps({"format": FORMAT, "domain": domain, "settings": settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


Record = TypeVar("Record")


def read_record(path: Path, kind: type[Record], mend: str) -> Record:
    """Read a JSON file of ours into its dataclass; every mistake is a ShardError that ends with `mend`."""
    try:
        values: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror}); {mend}") from None
    except ValueError:
        raise ShardError(f"{path}: damaged, not JSON; {mend}") from None
    if not isinstance(values, dict) or "format" not in values:
        raise ShardError(f"{path}: damaged, it names no format; {mend}")
    if values["format"] != FORMAT:
        found = f"of format {values['format']}, this version reads format {FORMAT}"
        raise ShardError(f"{path}: {found}; build the shards into a new folder")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ShardError(f"{path}: damaged, {where}: {first['msg']}; {mend}") from None


def write_record(path: Path, record: Any) -> None:
    """Write a dataclass as JSON, durably and in one step."""
    text = json.dumps({"format": FORMAT, **asdict(record)}, indent=1, ensure_ascii=False)
    write_whole(path, text + "\n")


def _mend(folder: Path) -> str:
    return f"rebuild it with shards/verify.py {folder} --mend"
