"""Files written atomically: a reader sees the old content or the new one, never a part."""

import hashlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cartoon_dist.files.descriptors import FOLDERS_CAN_BE_OPENED, open_to_read

_MAX_NAME_BYTES = 255
"""The longest file name of Linux's file systems."""
_REFUSED_WHILE_OPEN = sys.platform == "win32"
"""Whether the system refuses to replace or remove a file that any process has open, a virus scanner too."""
_OPEN_SECONDS = 5.0
"""How long a reader may have the file open that is to be replaced: it reads it whole, and closes it."""
_POLL_SECONDS = 0.02


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON, atomically."""
    write_atomically(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name, push it to the disk, then rename it: a reader sees the old file or the new
    one."""
    with _temporary_file(path, content) as temporary:
        replace_file(temporary, path)


def replace_file(temporary: Path, path: Path) -> None:
    """Rename a file to `path`, which it replaces. Where an open file cannot be replaced (Windows) waits for its reader;
    PermissionError after a few seconds."""
    deadline = time.monotonic() + _OPEN_SECONDS
    while True:
        try:
            temporary.replace(path)
            return
        except PermissionError:
            if not _REFUSED_WHILE_OPEN or time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)


def write_if_absent(path: Path, content: str | bytes) -> bool:
    """Write a file atomically unless it exists; returns whether it was written. Of several writers one wins.

    On a file system without hard links the last one wins.
    """
    with _temporary_file(path, content) as temporary:
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError:
            replace_file(temporary, path)
    return True


def temporary_path(path: Path, machine: str = "") -> Path:
    """A path beside `path` that only this thread uses, until its content is complete. `machine` tells machines apart,
    by default their host name: processes in different containers often have the same id.

    The name contains the file's own name, or its hash where the file system would refuse so long a name.
    """
    writer = f"{machine or f'{socket.gethostname()}.'}{threading.get_native_id()}"
    name = f".{path.name}.{writer}.tmp"
    if len(os.fsencode(name)) > _MAX_NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}.{writer}.tmp"
    return path.with_name(name)


@dataclass(frozen=True)
class Received:
    """What a stream brought: its hash, length and first 200 bytes."""

    sha256: str
    num_bytes: int
    beginning: bytes


@contextmanager
def receive_file(path: Path, blocks: Iterable[bytes], on_bytes: Callable[[int], None]) -> Iterator[Received]:
    """Write a stream to a temporary file, synced to the disk, which gets its name when the `with` block ends: a block
    that raises, as the hash is not the expected one for instance, leaves nothing. on_bytes: told the bytes so far."""
    temporary = temporary_path(path)
    digest, num_bytes, beginning = hashlib.sha256(), 0, b""
    try:
        with temporary.open("wb") as file:
            for block in blocks:
                beginning = beginning or block[:200]
                digest.update(block)
                file.write(block)
                num_bytes += len(block)
                on_bytes(num_bytes)
            file.flush()
            os.fsync(file.fileno())
        yield Received(digest.hexdigest(), num_bytes, beginning)
        replace_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def _temporary_file(path: Path, content: str | bytes) -> Iterator[Path]:
    """A file beside `path` with the content, synced to the disk, ready to be renamed to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Push to the disk what a library has written into a file."""
    with path.open("rb+") as file:  # Windows pushes only what is open for writing
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Push a folder's entries to the disk, so that a rename survives a power cut; the system's own task on Windows."""
    if not FOLDERS_CAN_BE_OPENED:
        return
    descriptor = open_to_read(folder)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
