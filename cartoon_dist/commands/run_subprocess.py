"""Runs other commands of this project in processes of their own, as a user would type them."""

import shlex
import subprocess
import sys
from pathlib import Path

from cartoon_dist.console.messages import print_message
from cartoon_dist.errors import TrainingError

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str | Path, failed: str, folder: Path | None = None) -> None:
    """Print a command and run it, in this folder or the given one; TrainingError that begins with `failed` when it ends
    otherwise than well. A script of this project may come first: `launch/fid.py`."""
    first, *others = map(str, words)
    script = str(ROOT / first) if first.startswith(("launch/", "shards/")) else first
    command = shlex.join([first, *others])
    print_message("")
    print_message(f"$ python {command}")
    status = subprocess.run([sys.executable, script, *others], cwd=folder, check=False).returncode
    if status:
        raise TrainingError(
            f"{failed}: {command} ended with status {status}; its own words stand above, and the same command goes on"
        )
