"""The reader against decoding alone, of the same members' bytes that are in memory already: `python -m bench.reader`.

Both in seconds of processor time on one core, which other load on the machine affects less than wall-clock time.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.ratios import Measured, publish, show, summarise
from bench.shard_job import ONE, SIZE, write_squares
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.build.pipeline import build
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.load.loader import LocalBatches, SampleStream, batches, local_batch_shapes, open_stream
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.data.load.sampler import local_positions

BATCH_SIZE, STEPS, WARM, RUNS = 8, 160, 10, 4
"""A worker is started for STEPS steps, each of RUNS times. A training run starts its workers once, for thousands."""
GOAL = 0.9
DOMAINS: tuple[Domain, Domain] = ("photo", "cartoon")
Encoded = tuple[NDArray[np.uint8], int]
"""A member's bytes, and how OpenCV is to decode them."""


def main() -> Iterator[Measured]:
    """The reader in this process, and a worker process that sends what it has read."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        photos, cartoons = (build_stream(domain, Path(scratch)) for domain in DOMAINS)
        one = {"batch_size": BATCH_SIZE, "rank": 0, "world_size": 1}
        steps = LocalBatches(photos=photos, cartoons=cartoons, warmup_steps=0, **one)
        for name, pairs in (
            ("reader_vs_decode", [in_process(steps, step) for step in range(STEPS)][WARM:]),
            ("reader_worker_vs_decode", [in_worker(steps, first) for first in range(0, RUNS * STEPS, STEPS)]),
        ):
            decoding, reading = (1000 * median(side) for side in zip(*pairs, strict=True))
            show(f"{name}: {reading:.2f} ms a photo, a cartoon and their companions; decoding {decoding:.2f} ms")
            yield summarise(
                pairs, name=name, goal=GOAL, better="higher", against="decoding alone, its time over the reader's"
            )


def build_stream(domain: Domain, scratch: Path) -> SampleStream:
    """A stream over the embedded pictures as 256 px JPEG, which goes into a shard as it is."""
    job = plan_job([str(write_squares(domain, scratch / f"{domain}s-in"))], domain=domain, settings=ONE)
    build(job, scratch / f"{domain}s", ONE, shown=False)
    shards = Shards(folder=scratch / f"{domain}s", domain=domain, split="train")
    return open_stream(shards=shards, seed=0, image_size=SIZE, fit="exact", flip=True, batch_size=BATCH_SIZE)


def in_process(steps: LocalBatches, step: int) -> tuple[float, float]:
    """Seconds a pair for decoding a step's pictures and for reading the step."""
    decoding = decoding_seconds(steps, range(step, step + 1))
    before = time.thread_time()
    steps[step]
    return decoding, (time.thread_time() - before) / BATCH_SIZE


def in_worker(steps: LocalBatches, first: int) -> tuple[float, float]:
    """Seconds a pair for decoding in this process and for all that a worker does, its start included."""
    numbers = range(first, first + STEPS)
    decoding = decoding_seconds(steps, numbers)
    before = children_seconds()
    with LoaderWorkers(1, local_batch_shapes(image_size=SIZE, num=BATCH_SIZE)) as workers:
        ahead = batches(steps, first=numbers.start, end=numbers.stop, on_damaged=ignore_damaged, workers=workers)
        for _ in ahead:
            pass
    return decoding, (children_seconds() - before) / BATCH_SIZE / len(numbers)


def decoding_seconds(steps: LocalBatches, numbers: range) -> float:
    """Seconds a pair for decoding the members of some steps."""
    members = [
        member for step in numbers for each in (steps.photos, steps.cartoons) for member in encoded_members(each, step)
    ]
    before = time.thread_time()
    for content, flags in members:
        cv2.imdecode(content, flags)
    return (time.thread_time() - before) / BATCH_SIZE / len(numbers)


def encoded_members(stream: SampleStream, step: int) -> Iterator[Encoded]:
    """The bytes of the members that a stream reads for a step."""
    shards = stream.shards
    for position in local_positions(step=step, batch_size=BATCH_SIZE, rank=0, world_size=1):
        index = stream.order.sample(position)
        for kind, (offset, length) in shards.spans(index).items():
            with shards.path(index).open("rb") as file:
                file.seek(offset)
                flags = cv2.IMREAD_GRAYSCALE if kind == "saliency" else cv2.IMREAD_COLOR_RGB
                yield np.frombuffer(file.read(length), np.uint8), flags


def children_seconds() -> float:
    """Seconds of processor time of the processes that this one started and that have ended."""
    used = os.times()
    return used.children_user + used.children_system


def ignore_damaged(_: object) -> None:
    """No damaged sample is expected."""


if __name__ == "__main__":
    publish(main())
