"""Opening and reading files below Python's `open`, where systems differ: the one place that knows how.

Python itself never lets a child process inherit a descriptor, so O_CLOEXEC is not needed.
"""

import errno
import os
import threading
from pathlib import Path

_BINARY = getattr(os, "O_BINARY", 0)
"""Windows: bytes are read as they are; elsewhere there is no other way."""
_NO_WAITING = getattr(os, "O_NONBLOCK", 0)
"""Opening a named pipe does not wait until another process opens its other end. Windows has no such files."""
FOLDERS_CAN_BE_OPENED = hasattr(os, "O_DIRECTORY")
"""Whether a folder has a descriptor, to lock it and to push its entries to the disk: not on Windows."""

_seek_lock = threading.Lock()


def open_to_read(path: str | Path) -> int:
    """A descriptor of a file's bytes, or of a folder; OSError as `os.open` raises it."""
    try:
        return os.open(path, os.O_RDONLY | _NO_WAITING | _BINARY)
    except PermissionError:
        if not FOLDERS_CAN_BE_OPENED and Path(path).is_dir():  # Windows says "permission denied"
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from None
        raise


def open_to_change(path: Path, *, append: bool = False) -> int:
    """A descriptor to read and write a file, made if it is missing; append: to write at its end only."""
    flags = os.O_WRONLY | os.O_APPEND if append else os.O_RDWR
    return os.open(path, flags | os.O_CREAT | _NO_WAITING | _BINARY, 0o666)


def read_at(descriptor: int, num_bytes: int, offset: int) -> bytes:
    """Up to num_bytes of a file from an offset; several threads may read from one descriptor.

    Where there is `pread` the descriptor's position stays, so that forked processes may share it too.
    """
    pread = getattr(os, "pread", None)
    if pread is not None:
        content: bytes = pread(descriptor, num_bytes, offset)
        return content
    with _seek_lock:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, num_bytes)
