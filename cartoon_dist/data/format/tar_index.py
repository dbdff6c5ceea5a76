"""What really lies in a tar, sample by sample, as a WebDataset reader groups it; damage is told, not passed over.

Python's tarfile, like other readers, takes a damaged header in the middle for the end of the tar: samples are lost
without an error. So here all that follows the last member must be the zeros of a proper end.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.console.escape import typed
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import MAX_SHARD_BYTES, open_regular, require_regular
from cartoon_dist.files.system_files import is_system_file, is_system_folder

_BLOCK = 512
_END = 2 * _BLOCK
"""Bytes of zeros that close a tar."""
_CHUNK = 1 << 20
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]+)", re.DOTALL)
"""KEY.MEMBER as WebDataset splits it: the key may hold folders, its last part holds no dot."""
# What tarfile raises on damaged headers, found by fuzzing.
_DAMAGE = (tarfile.TarError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError, OSError)


@dataclass(frozen=True)
class Packer:
    """What a tar is packed by: samples are read by their offset, which a packed file does not have."""

    name: str
    suffix: str
    command: str
    marks: bytes

    def unpack(self, path: Path) -> str:
        """The command that puts the tar in the packed file's place."""
        if path.name.lower().endswith((self.suffix, ".tgz", ".txz", ".tbz2", ".tzst")):
            return f"{self.command} {typed(path)}"
        packed = path.with_name(path.name + self.suffix)
        return f"mv {typed(path)} {typed(packed)} && {self.command} {typed(packed)}"


_PACKERS = (
    Packer("gzip", ".gz", "gunzip", b"\x1f\x8b"),
    Packer("bzip2", ".bz2", "bunzip2", b"BZh"),
    Packer("xz", ".xz", "unxz", b"\xfd7zXZ\0"),
    Packer("zstd", ".zst", "unzstd --rm", b"\x28\xb5\x2f\xfd"),
)


def packed_by(path: Path) -> Packer | None:
    """What a file is packed by, judged by its first bytes; None for a plain one and one that cannot be read."""
    try:
        with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
            head = file.read(6)
    except OSError:
        return None
    return next((packer for packer in _PACKERS if head.startswith(packer.marks)), None)


@dataclass(frozen=True)
class Group:
    """One sample's members, such as `photo.png`, each with the offset and length in bytes of its payload."""

    key: str
    members: dict[str, tuple[int, int]]


def read_groups(path: Path) -> list[Group]:
    """The samples of an uncompressed tar in their order; a key whose members lie apart comes more than once.

    Raises ShardError, without the tar's name and on one line, when the tar is damaged, cut off or holds anything but
    files that are named KEY.MEMBER.
    """
    packer = packed_by(path)
    if packer is not None:
        raise ShardError(
            f"is packed by {packer.name}, and samples are read by offset; unpack it: {packer.unpack(path)}"
        )
    try:
        require_regular(path, max_bytes=MAX_SHARD_BYTES)
        with tarfile.open(path, "r:") as tar:
            members = [member for member in tar if not member.isdir()]
        _require_end(path, members)
    except _DAMAGE as error:
        raise ShardError(f"cannot be read as a tar ({' '.join(str(error).split())})") from None
    return list(_grouped([member for member in members if not _is_of_the_system(member.name)]))


def _grouped(members: list[tarfile.TarInfo]) -> Iterator[Group]:
    group: Group | None = None
    for member in members:
        named = _NAME.fullmatch(member.name)
        if named is None or not member.isfile() or member.issparse():
            raise ShardError(f"holds {member.name!r}, where each member is a file named KEY.MEMBER; leave it out")
        key, name = named.groups()
        if group is None or group.key != key:
            if group is not None:
                yield group
            group = Group(key, {})
        if name in group.members:
            raise ShardError(f"holds {member.name!r} twice; keep one")
        group.members[name] = (member.offset_data, member.size)
    if group is not None:
        yield group


def _is_of_the_system(name: str) -> bool:
    """Whether macOS put a member into the tar for itself: WebDataset's reader passes over these too."""
    *folders, last = name.split("/")
    return is_system_file(last) or any(map(is_system_folder, folders))


def _require_end(path: Path, members: list[tarfile.TarInfo]) -> None:
    """Raise ValueError unless the tar goes on with zeros alone, and enough of them, after its last member."""
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
