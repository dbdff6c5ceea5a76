"""Files and folders that several processes may reach for: written whole or not at all, held by one at a time."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON, whole or not at all."""
    write_whole(path, json.dumps(values, indent=1) + "\n")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name, push it to the disk, then rename it: a reader sees the old file or the new
    one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
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
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise refusal from None
    except OSError:
        pass
    try:
        yield
    finally:
        os.close(descriptor)
