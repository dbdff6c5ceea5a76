"""Starts and ends the processes that follow a run for wandb, mlflow and trackio. Training never waits for one of them.

They read the run folder, which is complete in any case, so a tracker that cannot be reached costs a warning and nothing
else, and what it lacks is sent later: when it answers, when the run goes on, or by `launch/fid.py`.
"""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from cartoon_dist.console.messages import print_message
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError
from cartoon_dist.extras import missing
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import read_run_config
from cartoon_dist.train.trackers.process import FINISHED, NEWS

END_SECONDS = 60.0
"""How long a finished run waits for its trackers to send the rest."""
STOP_SECONDS = 5.0
"""How long one that was asked to stop does: the job's time is nearly over, and it is to be put back into the queue."""
_LOCK_SECONDS = 120.0
"""Longer than the process of a killed training lives on; a run that goes on waits for it."""
_BUSY_SECONDS = 1.0
"""A score is sent by the process of a training that still goes on."""
_OF_LAUNCHER = re.compile(r"(LOCAL_|GROUP_|ROLE_)?(RANK|WORLD_SIZE)|(MASTER|TORCHELASTIC|ACCELERATE|OMPI|PMI|MV2)_.*")
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    # A server that is away is tried again by us.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Nobody is told that these libraries are used. What the user has set stays."""


def not_installed(trackers: Iterable[str]) -> list[ConfigError]:
    """An error for each of these trackers whose library is not installed."""
    return [missing(name, name) for name in dict.fromkeys(trackers) if not _is_installed(name)]


def require_installed(trackers: Iterable[str]) -> None:
    """ConfigError now, rather than a warning in the training, where a tracker's library is not installed."""
    for error in not_installed(trackers):
        raise error


def _is_installed(library: str) -> bool:
    """Looked up, not imported, which takes seconds. A folder of that name, as wandb makes one, has no origin."""
    spec = importlib.util.find_spec(library)
    return spec is not None and spec.origin is not None


def send_what_is_new(run: RunFolder) -> None:
    """Send what a run folder holds and its trackers lack, scores that were just made among it, and wait for that within
    the limit. A warning where it cannot be done; one process of several calls it."""
    if not run.config.exists():
        return
    track = read_run_config(run.config).track
    for error in not_installed(track):
        print_message(f"warning: {error}")
    with Followers(run, [name for name in track if _is_installed(name)], lock_seconds=_BUSY_SECONDS):
        pass


class Followers:
    """The processes of a run's trackers, from rank 0 alone; leaving the `with` block ends them within a limit.

    stopping: set when the run was asked to stop; the limit is short then.
    """

    def __init__(self, run: RunFolder, trackers: Sequence[str], *, lock_seconds: float = _LOCK_SECONDS) -> None:
        self.stopping = False
        self._followers: list[_Follower] = []
        if not collectives.is_main_process():
            return
        for name in dict.fromkeys(trackers):
            try:
                self._followers.append(_Follower(name, run, lock_seconds))
            except OSError as error:
                print_message(f"warning: {name}: cannot be started ({error.strerror}); training goes on without it")

    def notify(self) -> None:
        """Say that the run folder holds something new, and print what the processes have to say. Never waits."""
        for follower in self._followers:
            follower.notify()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline = time.monotonic() + (STOP_SECONDS if self.stopping or kind is not None else END_SECONDS)
        for follower in self._followers:
            follower.ask_to_finish()
        for follower in self._followers:
            follower.wait(deadline)
        self._followers.clear()


class _Follower:
    """One process. Standard input tells it of news; a thread reads the few lines that it says."""

    def __init__(self, name: str, run: RunFolder, lock_seconds: float) -> None:
        self.name = name
        self.run = run
        self._has_ended = False
        self._lines: deque[str] = deque(maxlen=20)
        module = "cartoon_dist.train.trackers.process"
        command = [sys.executable, "-P", "-m", module, name, str(run.root.resolve()), f"{lock_seconds:g}"]
        with _signals_blocked():
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(name),
                start_new_session=True,
            )
        assert self._child.stdin is not None
        self._input = self._child.stdin
        if hasattr(os, "set_blocking"):
            # So much is waiting to be read there when the pipe is full that one more byte says nothing new.
            os.set_blocking(self._input.fileno(), False)
        self._thread = threading.Thread(target=self._read, name=f"tracker {name}", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        self._write(NEWS)
        self._print()
        if not self._has_ended and self._child.poll() not in (None, 0):
            self._warn(f"its process ended with status {self._child.returncode}; training goes on without it")

    def ask_to_finish(self) -> None:
        self._write(FINISHED)
        with suppress(OSError):
            self._input.close()

    def wait(self, deadline: float) -> None:
        """Wait for the end; after the deadline the process is killed, with what it started."""
        try:
            self._child.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            if sys.platform != "win32":
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.kill()
            self._child.wait()
            self._warn(
                "has not taken everything in time; what is missing is sent when the run goes on or is scored "
                "(docs/training.md#following-a-run)"
            )
        self._thread.join(timeout=1.0)
        self._print()

    def _write(self, byte: bytes) -> None:
        with suppress(OSError, ValueError):  # it has ended, or has not read the last thousands
            os.write(self._input.fileno(), byte)

    def _read(self) -> None:
        assert self._child.stdout is not None
        with self._child.stdout as lines:
            for line in lines:
                self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def _print(self) -> None:
        while self._lines:
            line = self._lines.popleft()
            mark = "warning: " if line.startswith("warning: ") else ""
            print_message(f"{mark}{self.run.root}: {self.name}: {line.removeprefix(mark)}")

    def _warn(self, what: str) -> None:
        self._has_ended = True
        print_message(f"warning: {self.run.root}: {self.name}: {what}")


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """What is started here never sees the signals that ask a job to stop, from its first moment on; training, which
    does, ends it."""
    if sys.platform == "win32":
        yield
        return
    asked = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, asked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment(name: str) -> dict[str, str]:
    """The environment of a process that belongs to no launcher and uses no GPU."""
    environment = _QUIET | {key: value for key, value in os.environ.items() if not _OF_LAUNCHER.fullmatch(key)}
    root = str(Path(__file__).parents[3])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH", ""))))
    environment |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    if name == "trackio" and not environment.get("TRACKIO_SPACE_ID"):
        # Where a token lies, trackio asks the hub for the user's name, also for a run that stays on this machine.
        environment["HF_HUB_OFFLINE"] = "1"
    return environment
