"""Makes Python on Linux like Python on Windows, as far as a program can tell without being there.

Python imports this module at its start where the folder is on PYTHONPATH: also in the processes that a command starts.
Takes away modules, functions and signals that Windows lacks, and forks; and below the folder OTHER_SYSTEM_ROOT files
behave as there: no folder can be opened, no open or mapped file can be removed, replaced or moved, a rename replaces
nothing, only what was opened for writing can be pushed to the disk, and names keep Windows' rules. Text that our own
modules read or write without saying its encoding is an error, and memory cannot be shared through /dev/shm.

`sys.platform` stays, as Python's own library and torch would look for Windows' modules.
"""

# ruff: noqa: PTH100, PTH112, PTH208
import builtins
import errno
import io
import multiprocessing
import multiprocessing.context
import multiprocessing.heap
import os
import re
import signal
import sys

ROOT = os.path.realpath(os.environ["OTHER_SYSTEM_ROOT"])
MODULES = ("fcntl", "resource", "pwd", "grp", "termios")
FUNCTIONS = (
    *("fork", "forkpty", "sched_getaffinity", "sched_setaffinity", "pread", "pwrite", "preadv"),
    *("getuid", "geteuid", "getgid", "getegid", "getpgrp", "killpg", "setsid", "mkfifo", "statvfs", "fchmod", "chown"),
    *("O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "posix_fadvise", "sync", "getloadavg"),
)
SIGNALS = ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGALRM", "SIGQUIT", "pthread_sigmask", "SIG_BLOCK", "setitimer", "alarm")
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)

really_open, really_open_descriptor, really_sync = io.open, os.open, os.fsync
really_remove, really_rename, really_replace = os.unlink, os.rename, os.replace


def below_root(path: object) -> str | None:
    """The path, absolute, of a file in the folder where files behave as on Windows; None for any other."""
    if not isinstance(path, str | os.PathLike):
        return None
    absolute = os.path.abspath(os.fspath(path))
    return absolute if absolute.startswith(f"{ROOT}/") else None


def check(path: object) -> None:
    """Refuse to open a folder, or a name that Windows does not allow."""
    absolute = below_root(path)
    if absolute is None:
        return
    if any(FORBIDDEN.search(part) for part in absolute[len(ROOT) + 1 :].split("/")):
        raise OSError(errno.EINVAL, "Invalid argument (a name that Windows does not allow)", str(path))
    if os.path.isdir(absolute):
        raise PermissionError(errno.EACCES, "Permission denied (a folder)", str(path))


def check_closed(path: object) -> None:
    """Refuse to touch a file that this process has open or mapped, or a folder with such a file in it."""
    absolute = below_root(path)
    if absolute is None:
        return
    used = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    with really_open("/proc/self/maps", encoding="utf-8") as maps:
        used += [line.split(maxsplit=5)[5].rstrip("\n") for line in maps if line.count("/") > 0]
    if any(name == absolute or name.startswith(f"{absolute}/") for name in used):
        raise PermissionError(errno.EACCES, "The process cannot access the file: it is open", str(path))


def open_file(file, mode="r", *rest, **more):  # noqa: ANN001, ANN002, ANN003, ANN201
    """`open`, in whose place it stands."""
    check(file)
    encoding = rest[1] if len(rest) > 1 else more.get("encoding")
    if "b" not in mode and encoding in (None, "locale"):
        caller = sys._getframe(1)
        while caller.f_back and caller.f_globals["__name__"] == "pathlib":
            caller = caller.f_back
        asks = caller.f_globals["__name__"]
        assert not asks.startswith("cartoon_dist"), f"{asks} opens {file} as text of an unknown encoding"
    return really_open(file, mode, *rest, **more)


def open_descriptor(path, flags, mode=0o777, **more):  # noqa: ANN001, ANN003, ANN201
    """`os.open`."""
    check(path)
    return really_open_descriptor(path, flags, mode, **more)


def sync(descriptor) -> None:  # noqa: ANN001
    """`os.fsync`."""
    number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
    with really_open(f"/proc/self/fdinfo/{number}", encoding="utf-8") as facts:
        [flags] = [int(line.split()[1], 8) for line in facts if line.startswith("flags:")]
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Bad file descriptor (opened to read)")
    really_sync(descriptor)


def remove(path, **more) -> None:  # noqa: ANN001, ANN003
    """`os.remove` and `os.unlink`."""
    check_closed(path)
    really_remove(path, **more)


def rename(source, target, **more) -> None:  # noqa: ANN001, ANN003
    """`os.rename`."""
    check_closed(source)
    if below_root(target) and os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "File exists", str(target))
    really_rename(source, target, **more)


def replace(source, target, **more) -> None:  # noqa: ANN001, ANN003
    """`os.replace`."""
    check_closed(source)
    check_closed(target)
    if below_root(target) and os.path.isdir(target):
        raise PermissionError(errno.EACCES, "Access is denied (a folder)", str(target))
    really_replace(source, target, **more)


def refuse_link(_source: object, target: object, *_: object, **__: object) -> None:
    """`os.symlink`, which asks for a right that users do not have."""
    raise OSError(errno.EPERM, "A required privilege is not held by the client", str(target))


for name in MODULES:
    sys.modules[name] = None  # type: ignore[assignment]
for name in FUNCTIONS:
    delattr(os, name)
for name in SIGNALS:
    delattr(signal, name)
for name in ("fork", "forkserver"):
    del multiprocessing.context._concrete_contexts[name]
multiprocessing.set_start_method("spawn")
multiprocessing.heap.Arena._dir_candidates = []
builtins.open = io.open = open_file  # type: ignore[assignment]
os.open, os.fsync, os.symlink = open_descriptor, sync, refuse_link  # type: ignore[assignment]
os.remove = os.unlink = remove  # type: ignore[assignment]
os.rename, os.replace = rename, replace  # type: ignore[assignment]
