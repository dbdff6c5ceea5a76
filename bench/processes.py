"""Commands that a measurement runs as processes of their own: side by side, or for the memory they take."""

import inspect
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def peak() -> float:
    """The most memory in MB that this process has used. (getrusage's counts the parent's, before exec.)"""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 (it stands alone in PEAK)
        words = status.read().split()
    return int(words[words.index("VmHWM:") + 1]) * 1.024e-3


PEAK = inspect.getsource(peak)
"""Defines `peak()` in another process."""
_RUN_SCRIPT = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(peak())
"""


def run_side_by_side(commands: Sequence[Sequence[str]]) -> None:
    """Run commands at the same time and wait for all; RuntimeError where one fails."""
    running = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for words in commands]
    for process in running:
        if process.wait():
            raise RuntimeError(f"{process.args!r} failed")


def peak_megabytes(command: Sequence[str]) -> float:
    """The most memory in MB of a command: Python, a script and its arguments."""
    python, *words = command
    done = subprocess.run([python, "-c", PEAK + _RUN_SCRIPT, *words], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])
