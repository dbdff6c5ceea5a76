"""Forks processes that write synthetic checkpoints without end: all is imported once, so that killing fifty takes
seconds.

For every line on standard input one process goes on in the folder named on the command line. Standard output says
`pid N`, `resumed STEP`, `done STEP` when a step is on the disk, and `gone STATUS`.
"""

import gc
import os
import sys
from pathlib import Path

from cartoon_dist.train.engine import Engine
from cartoon_dist.train.meter import Meter
from tests.train.synthetic import move_on, saver, synthetic

SETTINGS = ("checkpoint.every=1", "checkpoint.keep=2", "checkpoint.keep_every=10")


def tell(words: str) -> None:
    """In one write, as two processes speak here."""
    os.write(1, f"{words}\n".encode())


def write(root: Path, engine: Engine) -> None:
    """Go on from the newest checkpoint, as training does, for ever."""
    state = synthetic(0, width=100)
    saving = saver(root, engine, *SETTINGS, best=lambda _: 5)
    saving.resume(state, Meter())
    tell(f"resumed {state.step}")
    with saving:
        while True:
            move_on(state, state.step + 1)
            saving.save(state, Meter())  # returns when the one before is on the disk
            tell(f"done {state.step - 1}")


def main() -> None:
    """One writer after another."""
    engine = Engine(precision="fp32")
    synthetic(0)  # an optimizer's first step imports for seconds
    gc.freeze()  # else each fork looks through all that was imported, for most of a second
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                write(Path(sys.argv[1]), engine)
            finally:
                os._exit(1)
        tell(f"pid {child}")
        tell(f"gone {os.waitpid(child, 0)[1]}")


if __name__ == "__main__":
    main()
