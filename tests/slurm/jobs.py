"""What a test asks of Slurm and of its jobs."""

import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from tests.running import ROOT

LIMIT_SECONDS = 240


def said(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(condition: Callable[[], bool], what: str, out: Path) -> None:
    """Slurm tells nobody when something has happened: look again and again, up to a limit."""
    for _ in range(LIMIT_SECONDS * 10):
        if condition():
            return
        threading.Event().wait(0.1)
    logs = "\n".join(f"{log}:\n{log.read_text()[-2000:]}" for log in sorted(out.parent.rglob("*log*")) if log.is_file())
    raise AssertionError(f"{what}: not in {LIMIT_SECONDS} s; {said('squeue')}\n{logs}")


def state(job: str) -> str:
    """A task's state, also for some minutes after its end."""
    found = re.search(r"JobState=(\w+)", said("scontrol", "show", "job", job))
    assert found
    return found[1]


def restarts(job: str) -> int:
    """How often a job was put back into the queue."""
    found = re.search(r"Restarts=(\d+)", said("scontrol", "show", "job", job))
    assert found
    return int(found[1])
