"""Runs a process with a time limit, and kills every process that it has started when it ends.

Processes of a group are killed together, but launchers put their workers into groups of their own. So each process gets
a mark in its environment, which its children inherit, and whoever carries the mark is killed. A process that limits
others in turn adds their mark to its own.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

MARK = "GPU_PROOF_PROCESS"
KILL_SECONDS = 3.0
_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows ends a process at once by the second
"""How long a process may take to die. One that waits inside the driver may not die at all: then it is left."""


class ProcessResult(NamedTuple):
    """status: of the process; negative for a signal; None when even SIGKILL did not end it in time."""

    status: int | None
    seconds: float
    in_time: bool


def run_limited(
    command: Sequence[str],
    *,
    seconds: float,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    interrupt_seconds: float = 0.0,
) -> ProcessResult:
    """Run to the end or to the limit, its output into `log`; then kill it with everything it started.

    interrupt_seconds: at the limit it gets SIGINT first, and so long to write its results.
    """
    mark = uuid.uuid4().hex
    begun = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**(os.environ if environment is None else environment), MARK: f"{os.environ.get(MARK, '')}/{mark}"},
            start_new_session=True,
        )
    in_time = True
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        in_time = False
        if interrupt_seconds:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=interrupt_seconds)
    finally:
        status = _end(process, mark)
    return ProcessResult(status, time.monotonic() - begun, in_time)


def _end(process: subprocess.Popen[bytes], mark: str) -> int | None:
    """Kill what is left of the process and of those it started; its exit status."""
    deadline = time.monotonic() + KILL_SECONDS
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None and sys.platform != "win32":
            os.killpg(process.pid, _KILL)
    while True:
        left = kill_marked(mark)
        if (process.poll() is not None and not left) or time.monotonic() > deadline:
            return process.poll()
        time.sleep(0.02)


@contextlib.contextmanager
def mark_children() -> Iterator[str]:
    """Give all processes that are started meanwhile a mark."""
    mark, before = uuid.uuid4().hex, os.environ.get(MARK)
    os.environ[MARK] = f"{before or ''}/{mark}"
    try:
        yield mark
    finally:
        del os.environ[MARK]
        if before is not None:
            os.environ[MARK] = before


def kill_marked(mark: str) -> list[int]:
    """Kill all living processes that carry a mark; their ids."""
    pids = marked(mark)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, _KILL)
    return pids


def marked(mark: str) -> list[int]:
    """The living processes that carry a mark; on systems without /proc none is found."""
    variable, wanted = f"{MARK}=".encode(), mark.encode()
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or belongs to another user
            words = (folder / "environ").read_bytes().split(b"\0")
            if any(word.startswith(variable) and wanted in word for word in words):
                pids.append(int(folder.name))
    return pids
