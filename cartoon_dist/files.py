"""Files and folders that several processes may reach for: written whole or not at all, held by one at a time."""

import fcntl
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON, whole or not at all."""
    write_whole(path, json.dumps(values, indent=1) + "\n")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name, push it to the disk, then rename it: a reader sees the old file or the new
    one."""
    with _written(path, content) as temporary:
        temporary.replace(path)


def write_first(path: Path, content: str | bytes) -> bool:
    """Write a file whole unless one is there already, and tell whether it was written: of several writers one wins.

    On a file system without hard links the last one wins.
    """
    with _written(path, content) as temporary:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError:
            temporary.replace(path)
    return True


@contextmanager
def _written(path: Path, content: str | bytes) -> Iterator[Path]:
    """The content in a file beside `path`, down on the disk, to be put in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Push a folder's entries to the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """A file's SHA-256, as hexadecimal digits; reads all of it (a second for 500 MB)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def alone(folder: Path, refusal: Exception) -> Iterator[None]:
    """Hold a folder's lock, or raise the refusal while another process does; the lock goes with its process.

    A file system without locks protects nothing here, and what is written is put in place whole in any case.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    with _locked(descriptor, lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), refusal):
        yield


@contextmanager
def alone_in(path: Path, span: range | None, refusal: Exception) -> Iterator[None]:
    """Hold a span of numbers, or all of them for None, as `alone` holds a folder.

    The file carries the locks, one byte a number, and stays empty.
    """
    first, length = (0, 0) if span is None else (span.start, len(span))  # to the system no length is all that follows
    if span is not None and not span:
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    # A lock of the open file and not of the process: a process has it against itself, too.
    wanted = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
    with _locked(descriptor, lambda: fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted), refusal):
        yield


@contextmanager
def _locked(descriptor: int, lock: Callable[[], object], refusal: Exception) -> Iterator[None]:
    """Hold a lock of an open file until it is closed here; the refusal when another has it."""
    try:
        try:
            lock()
        except (BlockingIOError, PermissionError):  # the system may call a lock that another holds either
            raise refusal from None
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
