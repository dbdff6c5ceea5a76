"""Forks processes that write synthetic checkpoints without end: all is imported once, so that killing fifty takes
seconds.

For every line on standard input one process goes on in the folder named on the command line. Standard output says
`pid N`, `resumed STEP`, `done STEP` when a step is on the disk, and `gone STATUS`. The line is `MOMENT COUNT`: a writer
kills itself before its count-th action on a folder that it writes (`written`) or removes (`removed`), which it begins
to count when its first step is on the disk; with `any` it writes until it is killed.
"""

import gc
import itertools
import os
import signal
import sys
from pathlib import Path

from cartoon_dist.train.engine import Engine
from cartoon_dist.train.meter import Meter
from tests.train.synthetic import move_on, saver, synthetic

SETTINGS = ("checkpoint.every=1", "checkpoint.keep=2", "checkpoint.keep_every=10")
MOST_STEPS = 200
"""A writer that has not met its moment by then never will."""


def tell(words: str) -> None:
    """In one write, as two processes speak here."""
    os.write(1, f"{words}\n".encode())


def kill_self_at(moment: str, count: int) -> None:
    """Before this process's count-th action from now on a folder that is being written or removed. Python tells of an
    action before it does it."""

    def watch(event: str, args: tuple[object, ...]) -> None:
        nonlocal count
        if moment_of(event, args) != moment:
            return
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def moment_of(event: str, args: tuple[object, ...]) -> str:
    """Whether an action is on a folder that is being written or removed; "" where it is on neither."""
    if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
        return ""
    paths = [arg for arg in args if isinstance(arg, str)]
    if any(".old.tmp" in path for path in paths):
        return "removed"
    if event == "os.remove" and args[1] != -1:  # relative to an open folder, as rmtree removes
        return "removed"
    return "written" if any(".step-" in path for path in paths) else ""


def write(root: Path, engine: Engine, moment: str, count: int) -> None:
    """Go on from the newest checkpoint, as training does, until this process is killed."""
    state = synthetic(0, width=100)
    saving = saver(root, engine, *SETTINGS, best=lambda _: 5)
    saving.resume(state, Meter())
    tell(f"resumed {state.step}")
    with saving:
        for number in itertools.count() if moment == "any" else range(MOST_STEPS):
            move_on(state, state.step + 1)
            saving.save(state, Meter())  # returns when the one before is on the disk
            tell(f"done {state.step - 1}")
            if number == 1 and moment != "any":
                kill_self_at(moment, count)


def main() -> None:
    """One writer after another."""
    engine = Engine(precision="fp32")
    synthetic(0)  # an optimizer's first step imports for seconds
    gc.freeze()  # else each fork looks through all that was imported, for most of a second
    for line in sys.stdin:
        moment, count = line.split()
        child = os.fork()
        if child == 0:
            try:
                write(Path(sys.argv[1]), engine, moment, int(count))
            finally:
                os._exit(1)
        tell(f"pid {child}")
        tell(f"gone {os.waitpid(child, 0)[1]}")


if __name__ == "__main__":
    main()
