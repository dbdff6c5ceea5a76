"""Files that exist to be locked, and a folder's ranges held by one such file each.

The lock is the system's own, through filelock: it ends with the process that holds it, however that ends. The file that
a killed process leaves is not locked, and blocks nobody.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from cartoon_dist.files.descriptors import open_to_change, open_to_read


def lock_or_pass(descriptor: int) -> bool:
    """Lock an open file; False while another process, or another descriptor of this one, has it locked. True, with
    nothing protected, on a file system without locks."""
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:
        return True


def try_lock(lock: Path) -> int | None:
    """The descriptor of a lock file, made if it is missing and now locked; None while another process has it locked, or
    has just released it.

    The file tells who holds it, from its second byte on: Windows lets nobody else read the first, which is locked.
    """
    try:
        descriptor = open_to_change(lock)
    except PermissionError:
        if sys.platform == "win32" and lock.parent.is_dir():  # it is being taken away
            return None
        raise
    try:
        if lock_or_pass(descriptor) and _is_at(lock, descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f" process {os.getpid()} on {socket.gethostname()}".encode())
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def unlock(lock: Path, descriptor: int) -> None:
    """Take the lock file away and release it."""
    try:
        lock.unlink(missing_ok=True)  # before the release: a waiting process then sees that the file is another one
        removed = True
    except PermissionError:  # Windows: not while it is open
        removed = False
    finally:
        os.close(descriptor)
    if not removed:
        with suppress(OSError):  # now another process may have it open, and needs it
            lock.unlink()


def read_holder(lock: Path) -> str:
    """The process that a lock file names, in words."""
    try:
        descriptor = open_to_read(lock)
        try:
            os.lseek(descriptor, 1, os.SEEK_SET)
            return os.read(descriptor, 1000).decode().strip() or "another process"
        finally:
            os.close(descriptor)
    except (OSError, UnicodeDecodeError):
        return "another process"


@contextmanager
def hold_range(path: Path, span: range | None, refusal: Exception) -> Iterator[None]:
    """Hold a range of indices, or all for None, by a locked file `NAME.FIRST-END` beside `path`; raises `refusal` while
    another process holds an index of it. The caller has locked `path` until this block is entered: ranges are looked
    through and added by one process at a time."""
    own = path.with_name(f"{path.name}.{'all' if span is None else f'{span.start}-{span.stop}'}")
    for other in path.parent.glob(f"{path.name}.*"):
        if other != own and _overlap(span, other.name.removeprefix(f"{path.name}.")):
            left = try_lock(other)
            if left is None:
                raise refusal
            unlock(other, left)  # of a process that was killed
    descriptor = try_lock(own)
    if descriptor is None:
        raise refusal
    try:
        yield
    finally:
        unlock(own, descriptor)


def _overlap(span: range | None, name: str) -> bool:
    """Whether a range has an index of the one that is named `FIRST-END` or `all`; no for any other name."""
    first, dash, end = name.partition("-")
    if name == "all":
        return True
    if not (dash and first.isdecimal() and end.isdecimal()):
        return False
    return span is None or (span.start < int(end) and int(first) < span.stop)


def _is_at(lock: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(lock.stat(), os.fstat(descriptor))
    except (FileNotFoundError, PermissionError):
        return False
