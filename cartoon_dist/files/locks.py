"""Locks between processes: on a folder, on a range of shards in it, and on a file that is changed in place."""

import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_WAIT_SECONDS = 60.0
"""How long a process waits for another that changes the same file, which takes a fraction of a second."""
_POLL_SECONDS = 0.02


@contextmanager
def lock_folder(folder: Path, refusal: Exception) -> Iterator[None]:
    """Hold a folder's lock, or raise `refusal` while another process holds it; the lock ends with its process.

    On a file system without locks nothing is protected; files are written atomically in any case.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    with _holding(descriptor, lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), refusal):
        yield


@contextmanager
def lock_range(path: Path, span: range | None, refusal: Exception) -> Iterator[None]:
    """Hold a range of indices, or all of them for None, as `lock_folder` holds a folder.

    The locks are on the bytes of the file, one byte per index; the file stays empty.
    """
    first, length = (0, 0) if span is None else (span.start, len(span))  # a length of 0 means all that follows
    if span is not None and not span:
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    # A lock of the open file description, not of the process: it also excludes other threads of the same process.
    request = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
    with _holding(descriptor, lambda: fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, request), refusal):
        yield


@contextmanager
def _holding(descriptor: int, lock: Callable[[], object], refusal: Exception) -> Iterator[None]:
    """Hold a lock on an open file, which is closed at the end; raises `refusal` when another process has the lock."""
    try:
        try:
            lock()
        except (BlockingIOError, PermissionError):  # systems differ in which one means that another holds the lock
            raise refusal from None
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_file(path: Path, refusal: Callable[[str], Exception], *, seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Lock a file that is read, changed and written again: one process at a time, the others wait.

    After so many seconds raises `refusal`, called with a line that names the process that holds the lock; OSError where
    nothing can be written. The lock is a file beside it, `.NAME.lock`, that is removed on release; a killed process may
    leave the file, which blocks nobody. On a file system without locks nothing is protected.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, deadline = path.with_name(f".{path.name}.lock"), time.monotonic() + seconds
    while (descriptor := _try_lock(lock)) is None:
        if time.monotonic() > deadline:
            raise refusal(
                f"{path}: {_holder(lock)} has held it for {seconds:g} s; wait for it or stop it, then try again"
            )
        time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # before the release: a waiting process then sees that the file was replaced
        os.close(descriptor)


def _try_lock(lock: Path) -> int | None:
    """The descriptor of the lock, now held; None while another process holds it, or has just released it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        except OSError:
            pass  # no locks here
        if not lock.exists() or lock.stat().st_ino != os.fstat(descriptor).st_ino:
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    except FileNotFoundError:
        os.close(descriptor)
        return None
    return descriptor


def _holder(lock: Path) -> str:
    try:
        return lock.read_text(encoding="utf-8") or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
