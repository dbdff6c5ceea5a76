"""Writers that are killed, fifty times in one folder: never unreadable, never older than the one before."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder
from tests.running import LIMIT_SECONDS, ROOT, environment
from tests.train.synthetic import numbers

pytestmark = pytest.mark.slow

NUM_KILLS = 50
NUM_FILES = 8
"""In a whole checkpoint."""


class Forker:
    """Starts writers one by one, and hears what they say."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def start(self, moment: str, count: int = 0) -> int:
        """The process id of a new writer, which kills itself at this moment, or with "any" is to be killed."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{moment} {count}\n")
        self.process.stdin.flush()
        self.lines: list[list[str]] = []
        self.hear("pid")
        self.hear("resumed")
        return self.said("pid")[0]

    def hear(self, word: str, count: int = 1) -> None:
        """Read on until the word was said so often."""
        assert self.process.stdout is not None
        while len(self.said(word)) < count:
            line = self.process.stdout.readline()
            assert line, "the forker has left"
            assert word == "gone" or not line.startswith("gone"), "the writer has left by itself"
            self.lines.append(line.split())

    def said(self, word: str) -> list[int]:
        return [int(line[1]) for line in self.lines if line[0] == word]


def unfinished(root: Path) -> set[str]:
    """What a killed writer has left: a folder half written, or half removed."""
    files = {"written": root.glob(".step-*[0-9].tmp/*"), "removed": root.glob(".step-*.old.tmp/*")}
    return {moment for moment, found in files.items() if 0 < len(list(found)) < NUM_FILES}


def test_fifty_kills(tmp_path: Path) -> None:
    run, draw = RunFolder(tmp_path), random.Random(0)
    before, left = 0, set[str]()
    command = [sys.executable, str(Path(__file__).parent / "writers_to_kill.py"), str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment() | {"PYTHONPATH": str(ROOT)}
    ) as process:
        forker = Forker(process)
        for _ in range(NUM_KILLS):
            moment = draw.choice(["any", "written", "written", "removed"])
            writer = forker.start(moment, draw.randrange(1, 30))  # about as many actions as one checkpoint takes
            assert forker.said("resumed") == [before]
            if moment == "any":
                forker.hear("done", draw.randrange(1, 4))
                os.kill(writer, signal.SIGKILL)
            forker.hear("gone")
            assert forker.said("gone") == [signal.SIGKILL]  # it did not leave by itself
            left |= unfinished(tmp_path)
            before = whole(run, at_least=max(forker.said("done")))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=LIMIT_SECONDS) == 0
    assert left == {"written", "removed"}
    # Two at the end, every tenth, and the "best", as the writers' settings say; one more may be about to go.
    kept = set(checkpoint.steps(run)) - {*range(10, before + 1, 10), 5}
    assert kept <= {before, before - 1, before - 2}


def whole(run: RunFolder, *, at_least: int) -> int:
    """The newest checkpoint's step; every one that is there is whole, of one moment, and none is missing."""
    found, faults = checkpoint.newest(run)
    assert faults == []
    assert found is not None
    step = int(checkpoint.read_manifest(found)["step"])
    assert at_least <= step <= at_least + 2  # it may be on the disk and not yet told
    assert numbers(found) == {float(step)}
    assert [checkpoint.integrity_error(run.checkpoint(there)) for there in checkpoint.steps(run)[-3:-1]] in (
        [],
        [None],
        [None] * 2,
    )
    return step
