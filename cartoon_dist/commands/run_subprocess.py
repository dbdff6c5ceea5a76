"""Commands that type other commands of this project, as a user would."""

import shlex
import subprocess
import sys
from pathlib import Path

from cartoon_dist.console.messages import print_message
from cartoon_dist.errors import TrainingError

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str | Path, failed: str, folder: Path | None = None) -> None:
    """Say a command and run it, in this folder or the given one; TrainingError that begins with `failed` when it ends
    otherwise than well. A script of this project may come first: `launch/fid.py`."""
    first, *others = map(str, words)
    script = str(ROOT / first) if first.startswith(("launch/", "shards/")) else first
    said = shlex.join([first, *others])
    print_message("")
    print_message(f"$ python {said}")
    status = subprocess.run([sys.executable, script, *others], cwd=folder, check=False).returncode
    if status:
        raise TrainingError(
            f"{failed}: {said} ended with status {status}; its own words stand above, and the same command goes on"
        )
