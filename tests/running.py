"""Starting the real commands as a user does: scripts in processes of their own, one or several."""

import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from cartoon_dist.console.command_names import script_of
from tests.forked import Running, Server

ROOT = Path(__file__).parent.parent
LIMIT_SECONDS = 1200
"""What is still running then hangs. Everything takes a small part of it, also on a machine that does much else."""


def script(name: str, *words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a script of launch/ or shards/ to its end."""
    return _forked(ROOT / name, words, cwd=cwd)


def helper(path: Path, *words: str | Path, num_processes: int = 1, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a test's own script, which may import what a test may, to its end; `more` is added to its environment."""
    return _forked(path, words, num_processes, PYTHONPATH=str(ROOT), **more)


def started(path: Path, *words: str | Path, cwd: Path = ROOT, **more: str) -> Running:
    """Start a script that is killed, stopped or watched while it runs; `more` is added to its environment."""
    return _server().start(path, [*map(str, words)], environment() | more, cwd=cwd)


def tiny(shards: Path, run: Path, *more: str) -> list[str | Path]:
    """The words of the smallest training that still has every part of the real one."""
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}"]
    return [ROOT / "tests/tiny.yaml", *folders, f"run_dir={run}", f"weights_folder={ROOT / 'weights'}", *more]


def cheap(shards: Path, run: Path, *more: str) -> list[str]:
    """As `tiny`, without a content loss, whose network takes most of the time, and with one sample picture."""
    words = tiny(shards, run, "loss.content.weight=0", "warmup.loss=pixel", "num_samples=1", *more)
    return [str(word) for word in words]


def train_command(words: Sequence[str | Path], *, num_processes: int, config: str = "cpu") -> list[str]:
    """The command that trains: the script alone, or accelerate with one of its configs."""
    launcher = [sys.executable]
    if num_processes > 1:
        launcher += [
            "-m",
            "accelerate.commands.launch",
            "--config_file",
            str(ROOT / f"configs/accelerate/{config}.yaml"),
        ]
        launcher += ["--num_processes", str(num_processes), "--main_process_port", "0"]
    return [*launcher, str(ROOT / "launch/train.py"), *map(str, words)]


def train(words: Sequence[str | Path], *, num_processes: int = 1, config: str = "") -> subprocess.CompletedProcess[str]:
    """Train to the end. With one of accelerate's configs by its launcher, else the processes are started here."""
    if config:
        command = train_command(words, num_processes=num_processes, config=config)
        return subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    return _forked(ROOT / "launch/train.py", words, num_processes)


def typed(
    command: str, *words: str | Path, failed: str, folder: Path | None = None, launcher: Sequence[str] = ()
) -> None:
    """What `commands.run_subprocess.run` does, for a test to put in its place, by `script` and `train`."""
    if launcher:
        assert command == "train"
        done = train(words, num_processes=2)
    else:
        done = script(script_of(command), *words, cwd=folder or Path.cwd())
    assert done.returncode == 0, f"{failed}: {command}\n{done.stderr}"


def close() -> None:
    """End what was started to run commands; called when a session ends."""
    if _server.cache_info().currsize:
        _server().close()
        _server.cache_clear()


def with_little_room(name: str, *words: str | Path, kibibytes: int) -> subprocess.CompletedProcess[str]:
    """Run a script where no file may grow beyond so much: it stops a write in its middle, as a full disk does."""
    command = [sys.executable, str(ROOT / name), *map(str, words)]
    return subprocess.run(
        ["bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "bash", *command],
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def environment() -> dict[str, str]:
    """This process's environment, with one thread a process: two processes on two cores."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def wait_for(path: Path, child: subprocess.Popen[Any] | Running) -> None:
    """Wait until a running command has made a file; an error when it ends without."""
    for _ in range(LIMIT_SECONDS * 50):
        if path.exists():
            return
        try:
            status = child.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"ended with {status} before it made {path.name}")
    raise AssertionError(f"did not make {path.name} in {LIMIT_SECONDS} s")


def own_words(said: str) -> str:
    """What a process wrote to standard output itself: before torch 2.11 gloo, its transport, writes there too."""
    return "".join(line for line in said.splitlines(keepends=True) if not line.startswith("[Gloo]"))


def metrics(run: Path) -> list[dict[str, Any]]:
    """The records of a run."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights(run: Path, step: int) -> dict[str, Tensor]:
    """All tensors of a checkpoint, optimizers and the running average included, but for the random states."""
    files = [path for path in (run / f"step-{step:07d}").glob("*.safetensors") if path.stem != "random"]
    return {f"{path.stem}/{name}": held for path in files for name, held in load_file(path).items()}


def _forked(
    path: Path, words: Sequence[str | Path], num_processes: int = 1, *, cwd: Path = ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, in one process or in several that can meet, as a launcher starts them."""
    shared = environment() | more
    with socket.socket() as held:
        ranks = [shared]
        if num_processes > 1:
            # Bound for as long as they run, so that nothing else is given the port; a listener may still take it.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", 0))
            shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(held.getsockname()[1])}
            shared |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(num_processes))
            ranks = [shared | dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank)) for rank in range(num_processes)]
        return _server().run(path, [*map(str, words)], ranks, cwd=cwd, limit_seconds=LIMIT_SECONDS)


@functools.cache
def _server() -> Server:
    return Server(environment())
