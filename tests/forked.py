"""Commands in processes of their own that need not import torch again: forked from a process that has.

Importing torch and what comes with it takes some four seconds of processor time, and every command that a test starts
would pay them. A server imports once and forks for each command: a process with its own environment, folder, output
and exit status, as a new interpreter would be. Where the launcher or the start of a process is what is tested, a test
starts a real one (`running.train_command`).
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Never, Self

LOADED = ["torch._dynamo", "torch.utils.tensorboard", "accelerate", "webdataset", "onnx"]
"""What the commands import late: the first step of an optimizer, the first record."""
COMMANDS = ["cartoonize", "demo", "fid", "report", "shards", "submit", "table", "train", "verify", "weights"]
"""All but `export`: onnxruntime starts a thread, and a process with several must not be forked."""


class Child:
    """A command that runs, or has run."""

    def __init__(self, server: Path, command: Mapping[str, object], out: IO[bytes], err: IO[bytes]) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(str(server))
        socket.send_fds(self._line, [b"!"], [out.fileno(), err.fileno()])
        self._line.sendall(json.dumps(command).encode() + b"\n")
        self._told = self._line.makefile()
        self.pid = int(self._told.readline())

    def fileno(self) -> int:
        """Ready to read when the command has ended."""
        return self._line.fileno()

    def status(self) -> int:
        """Wait for the end; the exit status, below zero for a signal."""
        with self._line, self._told:
            return int(self._told.readline())


class Running:
    """A command that goes on by itself, used as a `subprocess.Popen` with pipes is; its standard input is empty."""

    def __init__(self, server: Path, command: Mapping[str, object]) -> None:
        read, write = os.pipe()
        self.stdout = os.fdopen(read)
        self.returncode: int | None = None
        self._err = tempfile.TemporaryFile("w+")  # noqa: SIM115 closed where it is left
        with os.fdopen(write, "wb") as out:
            self._child = Child(server, command, out, self._err.buffer)
        self.pid = self._child.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()
        self.stdout.close()
        self._err.close()

    def kill(self) -> None:
        """End it where it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its status when it ends; subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None:
            if not select.select([self._child], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = self._child.status()
        return self.returncode

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it has printed (little: nothing is read before its end) and complained of, when it ends."""
        self.wait(timeout)
        self._err.seek(0)
        return self.stdout.read(), self._err.read()


class Server:
    """Starts commands, until it is closed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="forked-")
        self._address = Path(self._folder.name) / "socket"
        command = [sys.executable, __file__, str(self._address)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def run(
        self,
        script: Path,
        words: Sequence[str],
        environments: Sequence[Mapping[str, str]],
        *,
        cwd: Path,
        limit_seconds: float,
    ) -> subprocess.CompletedProcess[str]:
        """Run a script once for each environment, at the same time, to the end of all; they share what they print.

        The status is that of the first that fails. Unlike a launcher, this does not stop the others then.
        """
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            command = {"script": str(script), "words": list(words), "cwd": str(cwd)}
            children = [Child(self._address, command | {"environment": dict(one)}, out, err) for one in environments]
            status = _wait(children, limit_seconds)
            printed = []
            for file in (out, err):
                file.seek(0)
                printed.append(file.read().decode())
        return subprocess.CompletedProcess([str(script), *words], status, *printed)

    def start(self, script: Path, words: Sequence[str], environment: Mapping[str, str], *, cwd: Path) -> Running:
        """Start a script that goes on by itself."""
        command = {"script": str(script), "words": list(words), "cwd": str(cwd), "environment": dict(environment)}
        return Running(self._address, command)

    def close(self) -> None:
        """End the server; it has no commands left."""
        self._process.communicate()
        self._folder.cleanup()


def _wait(children: Sequence[Child], limit_seconds: float) -> int:
    """The status of the first that fails, or zero; none is left running."""
    status, end = 0, time.monotonic() + limit_seconds
    with selectors.DefaultSelector() as running:
        for child in children:
            running.register(child, selectors.EVENT_READ)
        while running.get_map():
            ready = running.select(end - time.monotonic())
            for key, _ in ready:
                ended = key.fileobj
                assert isinstance(ended, Child)
                running.unregister(ended)
                left = ended.status()
                status = status or left
            if not ready:
                for key in running.get_map().values():
                    assert isinstance(key.fileobj, Child)
                    os.kill(key.fileobj.pid, signal.SIGKILL)
                raise TimeoutError(f"a command has not ended after {limit_seconds} s")
    return status


def serve(address: str) -> None:
    """Fork for each command that is asked for, until standard input ends."""
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as asked:
        listening.bind(address)
        listening.listen()
        asked.register(listening, selectors.EVENT_READ)
        asked.register(sys.stdin, selectors.EVENT_READ)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while listening in [key.fileobj for key, _ in asked.select()]:
            line, _ = listening.accept()
            _, fds, _, _ = socket.recv_fds(line, 1, 2)
            command = json.loads(line.makefile().readline())
            if not os.fork():
                break  # a keeper, which tells of the command that it forks
            line.close()
            for fd in fds:
                os.close(fd)
            with suppress(ChildProcessError):  # raised when all keepers have ended
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass
        else:
            with suppress(ChildProcessError):
                while os.wait():
                    pass
            sys.exit()
    _keep(line, fds, command)


def _keep(line: socket.socket, fds: Sequence[int], command: Mapping[str, object]) -> Never:
    """Run the command in a process of its own, and tell its number and its status."""
    child = os.fork()
    if child:
        line.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    line.close()
    for fd, number in ((os.open(os.devnull, os.O_RDONLY), 0), (fds[0], 1), (fds[1], 2)):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(str(command["cwd"]))
    os.environ.clear()
    os.environ.update(command["environment"])  # type: ignore[call-overload]
    script = str(command["script"])
    sys.argv = [script, *command["words"]]  # type: ignore[misc]
    sys.path[:1] = [str(Path(script).parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    try:
        runpy.run_path(script, run_name="__main__")
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # noqa: BLE001 what an interpreter does with an error that nothing catches
        traceback.print_exc()
        status = 1
    _leave(status)


def _leave(status: int) -> Never:
    """End as an interpreter does, without taking down all that was imported, which takes half a second."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    for name in [*LOADED, *(f"cartoon_dist.commands.{command}" for command in COMMANDS)]:
        importlib.import_module(name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with several threads must not be forked"
    gc.collect()
    gc.freeze()  # else each child looks through all objects, and so gets a copy of their pages
    serve(sys.argv[1])
