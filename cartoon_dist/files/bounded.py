"""Files read within bounds: plain files of a limited size only, never a pipe or a device that may not end."""

import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import TextIO

from cartoon_dist.errors import CartoonError
from cartoon_dist.files.descriptors import open_to_change, open_to_read
from cartoon_dist.files.encoding import NotTextError, decode_text

MAX_TEXT_BYTES = 16 << 20
"""For a config, a record of a run or a page: more than any of them has."""
MAX_RECORD_BYTES = 2 << 30
"""For a log, a list or a manifest, which grow with a run or a set."""
MAX_TENSOR_BYTES = 64 << 30
"""For weights and the state of a training run."""
MAX_EXPORT_BYTES = 2 << 30
"""For an .onnx file: its format can hold no more."""
MAX_SHARD_BYTES = 1 << 40


def open_regular(path: Path, *, max_bytes: int) -> BufferedReader:
    """Open a file to read its bytes, if it is a plain file of at most max_bytes.

    Raises OSError, worded for a user in its `strerror`, when it cannot be read, is longer, or is something that may
    never end or answer: a named pipe, a device, a socket.
    """
    descriptor = open_to_read(path)
    try:
        _require_plain(os.fstat(descriptor), path, max_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """A file's bytes; OSError as `open_regular` raises it, also for a file that is longer than its reported size."""
    with open_regular(path, max_bytes=max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise _invalid(path, f"longer than the {_format_size(max_bytes)} that such a file may have")
    return content


def read_text(path: Path, error: type[CartoonError]) -> str:
    """The content of a text file that a user wrote, decoded by `decode_text`: it may have a byte order mark.

    Raises the given error, with the file's path, for a file that cannot be read or is no text.
    """
    try:
        return decode_text(read_regular(path, max_bytes=MAX_RECORD_BYTES))
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); check the path and who may read it") from None
    except NotTextError as problem:
        raise error(f"{path}: {problem}") from None


def read_regular_text(path: Path, *, max_bytes: int, errors: str = "strict") -> str:
    """A UTF-8 file's text, with line ends as `\\n`; OSError as `read_regular`, UnicodeDecodeError for other bytes."""
    text = read_regular(path, max_bytes=max_bytes).decode("utf-8", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def require_regular(path: Path, *, max_bytes: int) -> None:
    """OSError, as `open_regular` raises it, for a path that a library must not open."""
    _require_plain(path.stat(), path, max_bytes)


_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def _require_plain(status: os.stat_result, path: Path, max_bytes: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    for is_kind, kind in _KINDS:
        if is_kind(status.st_mode):
            raise _invalid(path, f"{kind}, not a plain file")
    if status.st_size > max_bytes:
        size, limit = _format_size(status.st_size), _format_size(max_bytes)
        raise _invalid(path, f"{size} are more than the {limit} that such a file may have")


def _invalid(path: Path, why: str) -> OSError:
    return OSError(errno.EINVAL, why, str(path))


def _format_size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.0f} MB" if num_bytes >= 10_000_000 else f"{num_bytes:,} bytes"


def open_to_append(path: Path) -> TextIO:
    """Open a text file to write at its end, created if missing; OSError where it is no plain file."""
    descriptor = open_to_change(path, append=True)
    try:
        _require_plain(os.fstat(descriptor), path, MAX_SHARD_BYTES)
        return os.fdopen(descriptor, "a", encoding="utf-8", newline="\n")
    except BaseException:
        os.close(descriptor)
        raise


def sha256_of(path: Path, *, max_bytes: int = MAX_SHARD_BYTES) -> str:
    """A file's SHA-256, as hexadecimal digits; reads all of it (a second for 500 MB). OSError as `open_regular`."""
    with open_regular(path, max_bytes=max_bytes) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_if_readable(path: Path, *, max_bytes: int) -> str:
    """As `sha256_of`, but empty for a file that is longer or cannot be read."""
    try:
        return sha256_of(path, max_bytes=max_bytes)
    except OSError:
        return ""
