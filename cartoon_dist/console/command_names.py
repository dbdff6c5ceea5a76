"""How a user types our commands, for messages and `--help`: `launch/export.py` in a clone of the project, and
`cartoon-dist export` where the package is installed. The only place that decides it.
"""

import os
from pathlib import Path

PROGRAM = "cartoon-dist"
"""The console command of an installed package."""
CLONE = Path(__file__).resolve().parents[2]
"""The folder that the package lies in; a clone of the project where it has `launch/`."""
_PROGRAM_TYPED = "CARTOON_DIST_TYPED"
"""Set where the user typed the console command, for this process and the commands that it starts."""


def is_clone() -> bool:
    """Whether the package is used from a clone of the project, with its scripts beside it."""
    return (CLONE / "launch/train.py").is_file()


def note_program_typed() -> None:
    """Remember that the user typed `cartoon-dist`, in a clone or elsewhere."""
    os.environ[_PROGRAM_TYPED] = PROGRAM


def scripts_typed() -> bool:
    """Whether the user types scripts of a clone, and not the console command."""
    return is_clone() and _PROGRAM_TYPED not in os.environ


def script_of(command: str) -> str:
    """The script of a command in a clone: `launch/export.py` of `export`, `shards/photos.py` of `shards photos`."""
    group, _, name = command.rpartition(" ")
    return f"{group or 'launch'}/{name}.py"


def command_name(command: str) -> str:
    """A command as the user types it: `launch/export.py`, or `cartoon-dist export`."""
    return script_of(command) if scripts_typed() else f"{PROGRAM} {command}"


def command_line(command: str, words: str) -> str:
    """A whole line to type: `python launch/export.py runs/hayao hayao.onnx`, or `cartoon-dist export ...`."""
    return f"{'python ' if scripts_typed() else ''}{command_name(command)} {words}".rstrip()


def launched(command: str, words: str) -> str:
    """As `command_line`, on several processes."""
    if scripts_typed():
        return f"accelerate launch --config_file configs/accelerate/cpu.yaml {script_of(command)} {words}"
    return f"accelerate launch -m cartoon_dist {command} {words}"
