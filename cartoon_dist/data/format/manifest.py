"""The records of a shard folder: one index beside each shard, and the manifest that marks the folder as complete.

    photo-000000.tar  photo-000000.index.json     the index is written after its tar: it marks the shard as complete
    manifest.json                                 written last: settings, all shards, and the skipped pictures

All are JSON, begin with the format's number, and are written to a temporary file and renamed. Each contains a hash of
itself, so that a flipped bit is found even in a value that nothing else can be compared with.
"""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from cartoon_dist.console.command_names import command_name
from cartoon_dist.console.escape import escape_line, shell_quoted, truncated
from cartoon_dist.data.format.sample import FORMAT, Domain, Split
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular
from cartoon_dist.files.folder_kinds import require_shard_folder
from cartoon_dist.files.json_yaml import parse_json

MANIFEST = "manifest.json"
JOB = "job.json"
LOCK = ".lock"
"""The file that processes lock while they write into a folder: shard jobs and downloads."""
FETCHED = "fetched.json"
"""In a downloaded copy of a set: where it was downloaded from."""
_OWN_HASH, _NO_HASH = "own_sha256", "0" * 64
_HEAD = re.compile(rb'\{\n "format": \d+,\n "own_sha256": "([0-9a-f]{64})"')

NumBytes = Annotated[int, Field(ge=0)]
"""An offset or a length in bytes."""


class OtherFormatError(ShardError):
    """A record is whole, but another version of this program wrote it."""


@dataclass(frozen=True)
class SampleEntry:
    """One sample as its shard's index lists it.

    `members` maps each member, such as `photo.png`, to the offset and length in bytes of its payload in the tar.
    """

    key: str
    source: str
    scene: str
    split: Split
    members: dict[str, tuple[NumBytes, NumBytes]]


@dataclass(frozen=True)
class Skipped:
    """A source picture that gave no sample, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class ShardIndex:
    """One shard's contents; `sha256` and `bytes` are those of its tar, `shard` is the tar's file name.

    `num_flat_labels` counts the photos in which no method found a salient region. `looks` has the perceptual hash of
    each picture that gave samples, in 32 hexadecimal digits, to find near-duplicates in later shards.
    """

    shard: str
    sha256: str
    bytes: int
    settings_sha256: str
    samples: tuple[SampleEntry, ...]
    skipped: tuple[Skipped, ...] = ()
    num_flat_labels: int = 0
    looks: dict[str, str] = dataclasses.field(default_factory=dict)


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
    """A whole shard folder: what it holds and the settings that shaped it.

    `origin` says who wrote the tars: a shard job, which can rebuild them, or another program (then
    `shards/verify.py --index` wrote the manifest).
    """

    domain: Domain
    image_size: int
    settings: dict[str, object]
    settings_sha256: str
    shards: tuple[ShardEntry, ...]
    skipped: tuple[Skipped, ...]
    origin: Literal["job", "elsewhere"] = "job"

    def fingerprint(self) -> str:
        """A hash of the bytes of all samples: two folders with the same fingerprint train the same model."""
        return hashlib.sha256("\n".join(shard.sha256 for shard in self.shards).encode()).hexdigest()


def shard_name(domain: Domain, shard_number: int) -> str:
    """The file name of a shard's tar."""
    return f"{domain}-{shard_number:06d}.tar"


def index_path(folder: Path, shard: str) -> Path:
    """The path of a shard's index, from the tar's file name."""
    return folder / f"{shard.removesuffix('.tar')}.index.json"


def _builders() -> str:
    return f"{command_name('shards photos')} or {command_name('shards cartoons')}"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a finished shard folder.

    Raises ShardError when the folder is missing, unfinished or no shard folder, or its manifest is damaged or of
    another format.
    """
    if folder.is_file():
        raise ShardError(f"{folder}: is a file; give the folder that holds the tars and their {MANIFEST}")
    if not folder.is_dir():
        raise ShardError(f"{folder}: no such folder; build it with {_builders()}")
    require_shard_folder(folder)
    if not (folder / MANIFEST).exists():
        if (folder / JOB).exists():
            raise ShardError(f"{folder}: its build was not finished; run the command that builds it again")
        if any(folder.glob("*.tar")):
            raise ShardError(
                f"{folder}: tars without a {MANIFEST}; make it with {command_name('shards verify')} "
                f"{shell_quoted(folder)} --index"
            )
        raise ShardError(f"{folder}: no {MANIFEST}; give a folder built by {_builders()}")
    return read_record(folder / MANIFEST, Manifest, repair_hint(folder))


def read_index(folder: Path, shard: str) -> ShardIndex:
    """The index of a shard, from the tar's file name; ShardError when it is missing, damaged or of another format."""
    return read_record(index_path(folder, shard), ShardIndex, repair_hint(folder))


def shard_entry(index: ShardIndex) -> ShardEntry:
    """The manifest's entry for a shard."""
    num_test = sum(sample.split == "test" for sample in index.samples)
    num_samples = len(index.samples)
    return ShardEntry(index.shard, index.sha256, index.bytes, num_samples, num_samples - num_test, num_test)


def settings_sha256(domain: Domain, settings: dict[str, object]) -> str:
    """A hash of all that determines the shards' bytes besides the pictures."""
    text = json.dumps({"format": FORMAT, "domain": domain, "settings": settings}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


Record = TypeVar("Record")


def read_record(path: Path, kind: type[Record], hint: str) -> Record:
    """Read a JSON record into its dataclass; every error is a ShardError that ends with `hint`, what a user can do."""
    try:
        data = read_regular(path, max_bytes=MAX_RECORD_BYTES)
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror}); {hint}") from None
    return parse_record(data, str(path), kind, hint)


def parse_record(data: bytes, path: str, kind: type[Record], hint: str) -> Record:
    """Turn the bytes of a JSON record into its dataclass, as `read_record` does."""
    try:
        values: Any = parse_json(data)
    except ValueError:
        raise ShardError(f"{path}: damaged, not JSON; {hint}") from None
    if not isinstance(values, dict) or "format" not in values:
        raise ShardError(f"{path}: damaged, it names no format; {hint}")
    if values["format"] != FORMAT:
        problem = f"of format {truncated(escape_line(values['format']), 40)}, this version reads format {FORMAT}"
        raise OtherFormatError(f"{path}: {problem}; build the shards into a new folder")
    # A record without a hash is accepted: the first versions wrote none. Verification requires it.
    if _OWN_HASH in values and not _hash_matches(data):
        raise ShardError(f"{path}: damaged, its bytes are not those that were written; {hint}")
    try:
        record: Record = _type_adapter(kind).validate_python(values)  # type: ignore[arg-type]  # a class can be hashed
        return record
    except ValidationError as error:
        first = error.errors()[0]
        where = truncated(escape_line(".".join(str(part) for part in first["loc"])))
        raise ShardError(f"{path}: damaged, {where}: {first['msg']}; {hint}") from None


@functools.cache
def _type_adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)  # takes longer to make than most records take to check


def has_valid_hash(path: Path) -> bool:
    """Whether a record's bytes match the hash in it; OSError when it cannot be read."""
    return _hash_matches(read_regular(path, max_bytes=MAX_RECORD_BYTES))


def _hash_matches(data: bytes) -> bool:
    head = _HEAD.match(data)
    if head is None:
        return False
    start, end = head.span(1)
    return hashlib.sha256(data[:start] + _NO_HASH.encode() + data[end:]).hexdigest().encode() == head[1]


def record_bytes(values: Mapping[str, Any]) -> bytes:
    """Values, dataclasses among them, as the bytes of a JSON record with its own hash: the SHA-256 of the file with
    zeros in the place of the hash."""
    whole = {"format": FORMAT, _OWN_HASH: _NO_HASH, **values}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False, default=vars) + "\n"
    own_hash = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(_NO_HASH, own_hash, 1).encode()


def write_record(path: Path, record: Any) -> bool:
    """Write a dataclass as JSON, durably and atomically; False, and nothing written, when the file is the same."""
    data = record_bytes(vars(record))
    try:
        if read_regular(path, max_bytes=MAX_RECORD_BYTES) == data:
            return False
    except OSError:
        pass
    write_atomically(path, data)
    return True


def repair_hint(folder: Path) -> str:
    """What a user can do about damage in a folder, as the end of an error message."""
    if (folder / FETCHED).exists():
        return "delete this file: the next start fetches it again"
    # Only a job's folder can be rebuilt; for other folders the records can be written again.
    how = "mend" if (folder / JOB).exists() else "index"
    return f"rebuild it with {command_name('shards verify')} {shell_quoted(folder)} --{how}"
