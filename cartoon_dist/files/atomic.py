"""Files and folders that several processes may reach for: written whole or not at all, held by one at a time; and read
only where they are plain files that end."""

import errno
import fcntl
import hashlib
import json
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, TextIO

from cartoon_dist.errors import CartoonError
from cartoon_dist.files.encoding import NotTextError, text_of

MAX_TEXT_BYTES = 16 << 20
"""Of a config, a record of a run or a page: longer than any of them."""
MAX_RECORD_BYTES = 2 << 30
"""Of a log, a list or a manifest, which grow with a run or a set."""
MAX_TENSOR_BYTES = 64 << 30
"""Of weights and of the state of a training."""
MAX_EXPORT_BYTES = 2 << 30
"""Of an .onnx: its format holds no more."""
MAX_SHARD_BYTES = 1 << 40

HOLD_SECONDS = 60.0
"""How long one process waits for another that changes the same file, which takes a fraction of a second."""
_PAUSE_SECONDS = 0.02
_LONGEST_NAME = 255
"""In bytes: what Linux's file systems take."""


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values as JSON, whole or not at all."""
    write_whole(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


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


def temporary_name(path: Path, mark: str = "") -> Path:
    """A name beside `path` that is this thread's own until the content is in its place. `mark` tells machines apart, by
    default the machine's name: in containers all processes have the same few numbers.

    It is made of the name itself while a file system takes it so long, and of its hash after that.
    """
    own = f"{mark or f'{socket.gethostname()}.'}{threading.get_native_id()}"
    name = f".{path.name}.{own}.tmp"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}.{own}.tmp"
    return path.with_name(name)


@contextmanager
def _written(path: Path, content: str | bytes) -> Iterator[Path]:
    """The content in a file beside `path`, down on the disk, to be put in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
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


def open_regular(path: Path, *, max_bytes: int) -> BufferedReader:
    """Open a file to read its bytes, if it is a plain file of at most max_bytes.

    Raises OSError, worded for a user in its `strerror`, when it cannot be read, is longer, or is something that may
    never end or answer: a named pipe, a device, a socket.
    """
    # Without waiting: the opening of a named pipe ends only when another process writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_plain(os.fstat(descriptor), path, max_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """A file's bytes, as `open_regular` opens it; OSError as there, also for one that is longer than it says."""
    with open_regular(path, max_bytes=max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise _unfit(path, f"longer than the {_size(max_bytes)} that such a file may have")
    return content


def read_text(path: Path, error: type[CartoonError]) -> str:
    """The content of a text file that a user wrote: see `text_of` for what may be in it, such as a byte order mark.

    Raises the given error, with the file's path, for a file that cannot be read or is no text.
    """
    try:
        return text_of(read_regular(path, max_bytes=MAX_RECORD_BYTES))
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror}); check the path and who may read it") from None
    except NotTextError as problem:
        raise error(f"{path}: {problem}") from None


def read_regular_text(path: Path, *, max_bytes: int, errors: str = "strict") -> str:
    """A UTF-8 file's text, with line ends as `\\n`; OSError as `read_regular`, UnicodeDecodeError for other bytes."""
    text = read_regular(path, max_bytes=max_bytes).decode("utf-8", errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def require_regular(path: Path, *, max_bytes: int) -> None:
    """OSError, as `open_regular` raises it, for a path that must not be given to a library to open."""
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
            raise _unfit(path, f"{kind}, not a plain file")
    if status.st_size > max_bytes:
        raise _unfit(path, f"{_size(status.st_size)} are more than the {_size(max_bytes)} that such a file may have")


def _unfit(path: Path, why: str) -> OSError:
    return OSError(errno.EINVAL, why, str(path))


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.0f} MB" if num_bytes >= 10_000_000 else f"{num_bytes:,} bytes"


def open_to_append(path: Path) -> TextIO:
    """Open a text file to write at its end, made where there is none; OSError where it is no plain file."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    try:
        _require_plain(os.fstat(descriptor), path, MAX_SHARD_BYTES)
        return os.fdopen(descriptor, "a", encoding="utf-8")
    except BaseException:
        os.close(descriptor)
        raise


def sha256_of(path: Path, *, max_bytes: int = MAX_SHARD_BYTES) -> str:
    """A file's SHA-256, as hexadecimal digits; reads all of it (a second for 500 MB). OSError as `open_regular`."""
    with open_regular(path, max_bytes=max_bytes) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_if_readable(path: Path, *, max_bytes: int) -> str:
    """As `sha256_of`, but empty for a file that is longer, or cannot be read."""
    try:
        return sha256_of(path, max_bytes=max_bytes)
    except OSError:
        return ""


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


@contextmanager
def turn_at(path: Path, refusal: Callable[[str], Exception], *, seconds: float = HOLD_SECONDS) -> Iterator[None]:
    """Hold a file that is read, changed and written again, for one process at a time; others wait for their turn.

    Raises the refusal, given a line that names who holds it, after so many seconds; OSError where nothing can be
    written. The lock is a file beside it, `.NAME.lock`, that goes when it is let go; a kill may leave the file, which
    holds nobody up. A file system without locks protects nothing here.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, until = path.with_name(f".{path.name}.lock"), time.monotonic() + seconds
    while (descriptor := _taken(lock)) is None:
        if time.monotonic() > until:
            raise refusal(
                f"{path}: {_holder(lock)} has held it for {seconds:g} s; wait for it or stop it, then try again"
            )
        time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is held: who waits for this one sees that it is another by then
        os.close(descriptor)


def _taken(lock: Path) -> int | None:
    """The lock's descriptor, once it is held; None while another process holds it, or has just let it go."""
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
