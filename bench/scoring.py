"""A folder scored against another by two processes, against two independent copies, and the memory that it takes:
`python -m bench.scoring`.

The command is the user's, with EfficientNet-Lite0, whose weights are in the package registry.
"""

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from bench.processes import ROOT, peak_megabytes, run_side_by_side
from bench.ratios import Measured, publish, show, summarise, time_in_turn

NUM, NUM_FEW = 1200, 120
"""Pictures a side: enough that the start of a process, which both sides include, matters little."""
PIXELS, PAIRS, GOAL, MEMORY_GOAL = 64, 3, 0.9, 1.1
BOTH = ["-m", "accelerate.commands.launch", "--main_process_port", "0", "--num_cpu_threads_per_process", "1"]
BOTH += ["--config_file", str(ROOT / "configs/accelerate/cpu.yaml")]


def main() -> Iterator[Measured]:
    """The time of two copies over half the pictures each, over that of two processes over all; the peak with many
    pictures over that with few."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = write_noise(folder / "whole", range(NUM))
        halves = [write_noise(folder / f"half-{half}", range(half, NUM, 2)) for half in range(2)]
        pairs = []
        for turn in range(PAIRS):
            copies = [command(half, folder / f"copy-{turn}-{k}", []) for k, half in enumerate(halves)]
            both = [command(whole, folder / f"both-{turn}", BOTH)]
            pairs.append(time_in_turn(partial(run_side_by_side, copies), partial(run_side_by_side, both)))
        few = write_noise(folder / "few", range(NUM_FEW))
        peaks = [peak_megabytes(command(pictures, folder / f"peak-{pictures.name}", [])) for pictures in (whole, few)]
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
        *(str(pictures / "drawings"), f"against={pictures / 'cartoons'}"),
        *("score.features=efficientnet_lite0", f"data.cache={cache}", f"weights_folder={ROOT / 'weights'}"),
        "score.subsamples=0",
    ]


def write_noise(folder: Path, indices: range) -> Path:
    """Two folders of noise; a picture depends only on its folder and index."""
    for side, name in enumerate(("drawings", "cartoons")):
        (folder / name).mkdir(parents=True)
        for index in indices:
            noise = np.random.default_rng([side, index]).integers(0, 256, (PIXELS, PIXELS, 3), np.uint8)
            cv2.imwrite(str(folder / name / f"{index:05d}.png"), noise)
    return folder


if __name__ == "__main__":
    publish(main())
