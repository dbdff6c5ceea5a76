"""A folder scored against another by two processes, against two copies that know nothing of each other, and the memory
that it takes: `python -m bench.scoring`.

As a user types it, with EfficientNet-Lite0: its weights are those that the package registry carries.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bench.ratios import PEAK, Measured, publish, show, summarise, time_in_turn
from bench.stages import RUN, finish

ROOT = Path(__file__).parents[1]
NUM, NUM_FEW = 1200, 120
"""Pictures a side: many enough for the start of a process, which both sides pay, to weigh little."""
PIXELS, PAIRS, GOAL, MEMORY_GOAL = 64, 3, 0.9, 1.1
BOTH = ["-m", "accelerate.commands.launch", "--main_process_port", "0", "--num_cpu_threads_per_process", "1"]
BOTH += ["--config_file", str(ROOT / "configs/accelerate/cpu.yaml")]


def main() -> Iterator[Measured]:
    """The time of two copies over half the pictures each, over that of two processes over all; the peak with many
    pictures over that with few."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = write(folder / "whole", range(NUM))
        halves = [write(folder / f"half-{half}", range(half, NUM, 2)) for half in range(2)]
        pairs = []
        for turn in range(PAIRS):
            copies = [command(half, folder / f"copy-{turn}-{k}", []) for k, half in enumerate(halves)]
            both = [command(whole, folder / f"both-{turn}", BOTH)]
            pairs.append(time_in_turn(partial(finish, copies), partial(finish, both)))
        few = write(folder / "few", range(NUM_FEW))
        peaks = [peak(command(pictures, folder / f"peak-{pictures.name}", [])) for pictures in (whole, few)]
    show(f"memory: {peaks[0]:.0f} MB for {NUM} pictures a side, {peaks[1]:.0f} MB for {NUM_FEW}")
    yield summarise(
        [(peaks[0], peaks[1])],
        name="score_memory_flat",
        goal=MEMORY_GOAL,
        better="lower",
        against=f"peak memory with {NUM_FEW} pictures a side for {NUM}; their features are 5 KB each",
    )
    yield summarise(
        pairs,
        name="score_two_processes",
        goal=GOAL,
        better="higher",
        against="two independent copies over half the pictures each, their time over ours",
    )


def command(pictures: Path, cache: Path, launcher: list[str]) -> list[str]:
    """A score as a user types it; an empty cache each time, so that every picture goes through the network."""
    return [
        *(sys.executable, *launcher, str(ROOT / "launch/fid.py")),
        *(str(pictures / "drawings"), "--against", str(pictures / "cartoons")),
        *("score.features=efficientnet_lite0", f"data.cache={cache}", f"weights_folder={ROOT / 'weights'}"),
        "score.subsamples=0",
    ]


def peak(words: list[str]) -> float:
    """The most memory of a command in MB."""
    done = subprocess.run([words[0], "-c", PEAK + RUN, *words[1:]], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def write(folder: Path, numbers: range) -> Path:
    """Two folders of noise, the same picture under the same number."""
    for side, name in enumerate(("drawings", "cartoons")):
        (folder / name).mkdir(parents=True)
        for number in numbers:
            noise = np.random.default_rng([side, number]).integers(0, 256, (PIXELS, PIXELS, 3), np.uint8)
            cv2.imwrite(str(folder / name / f"{number:05d}.png"), noise)
    return folder


if __name__ == "__main__":
    publish(main())
