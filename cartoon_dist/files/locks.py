"""Locks between processes: on a folder, on a range of shards in it, and on a file that is changed in place.

Each is a lock of the system that ends with its process, however that ends: `flock` on Linux and macOS, `LockFileEx` on
Windows, both through filelock. On a file system without locks nothing is protected; files are written atomically in any
case.

Ranges are locked as bytes of one file where Linux can, and not by filelock, which knows locks on whole files only: so
they leave no file behind, and hold on NFS, where many machines build one folder. Elsewhere each range that is held is a
locked file (`lock_files.hold_range`). The two do not see each other: machines that build one folder together must run
the same system.
"""

import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cartoon_dist.files.descriptors import FOLDERS_CAN_BE_OPENED, open_to_change, open_to_read
from cartoon_dist.files.lock_files import hold_range, lock_or_pass, read_holder, try_lock, unlock

LOCK_WAIT_SECONDS = 60.0
"""How long a process waits for another that changes the same file, which takes a fraction of a second."""
_POLL_SECONDS = 0.02
_FOLDER_LOCK = ".folder.lock"
"""The file that stands for its folder where a folder itself cannot be opened."""


@contextmanager
def lock_folder(folder: Path, refusal: Exception) -> Iterator[None]:
    """Hold a folder's lock, or raise `refusal` while another process holds it; the lock ends with its process.

    Where a folder itself can be locked no file is made; elsewhere (Windows) a hidden one stays in it.
    """
    descriptor = open_to_read(folder) if FOLDERS_CAN_BE_OPENED else open_to_change(folder / _FOLDER_LOCK)
    try:
        if not lock_or_pass(descriptor):
            raise refusal
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_range(path: Path, span: range | None, refusal: Exception) -> Iterator[None]:
    """Hold a range of indices, or all of them for None, as `lock_folder` holds a folder.

    path: a file of the folder, made if it is missing, that stays empty; one byte of it stands for each index.
    """
    if span is not None and not span:
        yield
        return
    lock_bytes = _byte_locks()
    with _range_file(path, span, refusal) if lock_bytes is None else _range_bytes(path, span, lock_bytes, refusal):
        yield


@contextmanager
def _range_bytes(
    path: Path, span: range | None, lock: Callable[[int, range | None], None], refusal: Exception
) -> Iterator[None]:
    descriptor = open_to_change(path)
    try:
        try:
            lock(descriptor, span)
        except (BlockingIOError, PermissionError):  # systems differ in which one means that another holds the lock
            raise refusal from None
        except OSError:
            pass  # no locks here
        yield
    finally:
        os.close(descriptor)


def _byte_locks() -> Callable[[int, range | None], None] | None:
    """A function that locks a range of an open file's bytes, or raises OSError; None where there are no such locks.

    A lock of the open file description, not of the process: it also excludes other threads of the same process.
    """
    if sys.platform != "linux":
        return None
    try:
        import fcntl
    except ImportError:
        return None
    if not hasattr(fcntl, "F_OFD_SETLK"):
        return None

    def lock(descriptor: int, span: range | None) -> None:
        first, length = (0, 0) if span is None else (span.start, len(span))  # a length of 0 means all that follows
        request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request)

    return lock


@contextmanager
def _range_file(path: Path, span: range | None, refusal: Exception) -> Iterator[None]:
    """`lock_range` by a file of the range's own; `path` is locked for the moment in which that one is taken."""
    with ExitStack() as held:
        guard = open_to_change(path)
        try:
            deadline = time.monotonic() + LOCK_WAIT_SECONDS
            while not lock_or_pass(guard):
                if time.monotonic() > deadline:
                    raise refusal
                time.sleep(_POLL_SECONDS)
            held.enter_context(hold_range(path, span, refusal))
        finally:
            os.close(guard)
        yield


@contextmanager
def lock_file(path: Path, refusal: Callable[[str], Exception], *, seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Lock a file that is read, changed and written again: one process at a time, the others wait.

    After so many seconds raises `refusal`, called with a line that names the process that holds the lock; OSError where
    nothing can be written. The lock is a file beside it, `.NAME.lock`, that is removed on release; a killed process may
    leave the file, which blocks nobody. On a file system without locks nothing is protected.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, deadline = path.with_name(f".{path.name}.lock"), time.monotonic() + seconds
    while (descriptor := try_lock(lock)) is None:
        if time.monotonic() > deadline:
            raise refusal(
                f"{path}: {read_holder(lock)} has held it for {seconds:g} s; wait for it or stop it, then try again"
            )
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        unlock(lock, descriptor)
