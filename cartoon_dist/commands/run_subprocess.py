"""Runs other commands of this project in processes of their own, as a user would type them."""

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cartoon_dist.console.command_names import CLONE, PROGRAM, script_of, scripts_typed
from cartoon_dist.console.messages import print_message
from cartoon_dist.errors import TrainingError
from cartoon_dist.files.shipped import shipped


def run(
    command: str, *words: str | Path, failed: str, folder: Path | None = None, launcher: Sequence[str] = ()
) -> None:
    """Print a command and run it, in this folder or the given one: `fid`, `shards photos`.

    launcher: what Python is given before the command, where several processes run it; see `launcher`. TrainingError
    that begins with `failed` when it ends otherwise than well.
    """
    folder = folder or Path.cwd()
    own = (
        [typed_path(CLONE / script_of(command), folder)]
        if scripts_typed()
        else ["-m", "cartoon_dist", *command.split()]
    )
    given = [*launcher, *own, *map(str, words)]
    typed = ["python", *given] if launcher or scripts_typed() else [PROGRAM, *given[2:]]
    print_message("")
    print_message(f"$ {shlex.join(typed)}")
    status = subprocess.run([sys.executable, *given], cwd=folder, check=False).returncode
    if status:
        raise TrainingError(
            f"{failed}: {shlex.join(typed)} ended with status {status}; its own words stand above, and the same "
            "command goes on"
        )


def launcher(config: Literal["cpu", "ddp"], *options: str, folder: Path | None = None) -> list[str]:
    """What starts a command on several processes: accelerate's launcher, with one of the configs that travel with the
    package, on a free port."""
    file = typed_path(shipped("configs") / f"accelerate/{config}.yaml", folder or Path.cwd())
    return ["-m", "accelerate.commands.launch", "--config_file", file, "--main_process_port", "0", *options]


def typed_path(path: Path, folder: Path) -> str:
    """A path as it is typed in a folder: short where it lies in it."""
    folder = folder.resolve()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)
