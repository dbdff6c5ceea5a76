"""The samples that really are in a tar, grouped as a WebDataset reader groups them; damage raises an error.

Python's tarfile, like other readers, takes a damaged header in the middle for the end of the tar, and samples
are lost without an error. So here only zeros, enough for an end mark, may follow the last member.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.errors import ShardError
from cartoon_dist.files.bounded import MAX_SHARD_BYTES, open_regular, require_regular
from cartoon_dist.files.system_files import is_system_file, is_system_folder

_BLOCK = 512
_END = 2 * _BLOCK
"""The zeros that mark the end of a tar."""
_CHUNK = 1 << 20
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)
"""KEY.MEMBER as WebDataset splits it: the key may hold folders, its last part holds no dot."""
# What tarfile raises on damaged headers, found by fuzzing.
_TAR_ERRORS = (tarfile.TarError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError, OSError)


@dataclass(frozen=True)
class Compression:
    """A compression of tars. Samples are read by offset, which a compressed file does not allow."""

    name: str
    suffix: str
    command: str
    magic: bytes

    def unpack_command(self, path: Path) -> str:
        """The command that replaces the compressed file by the tar."""
        if path.name.lower().endswith((self.suffix, ".tgz", ".txz", ".tbz2", ".tzst")):
            return f"{self.command} {shell_quoted(path)}"
        packed = path.with_name(path.name + self.suffix)
        return f"mv {shell_quoted(path)} {shell_quoted(packed)} && {self.command} {shell_quoted(packed)}"


_COMPRESSIONS = (
    Compression("gzip", ".gz", "gunzip", b"\x1f\x8b"),
    Compression("bzip2", ".bz2", "bunzip2", b"BZh"),
    Compression("xz", ".xz", "unxz", b"\xfd7zXZ\0"),
    Compression("zstd", ".zst", "unzstd --rm", b"\x28\xb5\x2f\xfd"),
)


def compression_of(path: Path) -> Compression | None:
    """How a file is compressed, by its first bytes; None for a plain one and one that cannot be read."""
    try:
        with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
            head = file.read(6)
    except OSError:
        return None
    return next((compression for compression in _COMPRESSIONS if head.startswith(compression.magic)), None)


@dataclass(frozen=True)
class TarSample:
    """One sample's members, such as `photo.png`, each with the offset and length in bytes of its payload."""

    key: str
    members: dict[str, tuple[int, int]]


def read_tar_samples(path: Path) -> list[TarSample]:
    """The samples of an uncompressed tar in their order; a key whose members are not neighbours comes more than once.

    Raises ShardError, without the tar's name and on one line, when the tar is damaged, cut off or holds anything but
    files that are named KEY.MEMBER.
    """
    compression = compression_of(path)
    if compression is not None:
        command = compression.unpack_command(path)
        raise ShardError(f"is packed by {compression.name}, and samples are read by offset; unpack it: {command}")
    try:
        require_regular(path, max_bytes=MAX_SHARD_BYTES)
        with tarfile.open(path, "r:") as tar:
            members = [member for member in tar if not member.isdir()]
        _require_end(path, members)
    except _TAR_ERRORS as error:
        raise ShardError(f"cannot be read as a tar ({' '.join(str(error).split())})") from None
    return list(_group_by_key([member for member in members if not _is_system_file(member.name)]))


def _group_by_key(members: list[tarfile.TarInfo]) -> Iterator[TarSample]:
    sample: TarSample | None = None
    for member in members:
        match = _NAME.fullmatch(member.name)
        if match is None or not member.isfile() or member.issparse():
            raise ShardError(f"holds {member.name!r}, where each member is a file named KEY.MEMBER; leave it out")
        key, name = match.groups()
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = TarSample(key, {})
        if name in sample.members:
            raise ShardError(f"holds {member.name!r} twice; keep one")
        sample.members[name] = (member.offset_data, member.size)
    if sample is not None:
        yield sample


def _is_system_file(name: str) -> bool:
    """Whether a member is a file that macOS adds to tars; WebDataset's reader skips these too."""
    *folders, last = name.split("/")
    return is_system_file(last) or any(map(is_system_folder, folders))


def _require_end(path: Path, members: list[tarfile.TarInfo]) -> None:
    """Raise ValueError unless only zeros, and enough of them, follow the last member."""
    end = max((member.offset_data + -(-member.size // _BLOCK) * _BLOCK for member in members), default=0)
    num_zeros = 0
    with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
        file.seek(end)
        while chunk := file.read(_CHUNK):
            if chunk.count(0) != len(chunk):
                raise ValueError(f"a damaged header near byte {end + num_zeros}")
            num_zeros += len(chunk)
    if num_zeros < _END:
        raise ValueError("it has no proper end: it was cut off")
