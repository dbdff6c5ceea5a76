"""Batches of kept samples against decoded ones, in seconds of processor time on one core: `python -m bench.kept`.

The pictures are those of bench.reader: 256 px JPEG with PNG companions, batch 8. Printed beside: what a batch takes
where only its picks are made, as for samples that lie on a GPU, and decoding by two threads against two processes.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import cv2

from bench.ratios import Measured, publish, show, summarise
from bench.reader import BATCH_SIZE, DOMAINS, Encoded, build_stream, encoded_members
from bench.shard_job import SIZE
from cartoon_dist.data.load.fill import fill
from cartoon_dist.data.load.kept import Streams, read_kept
from cartoon_dist.data.load.loader import LocalBatches, local_batch_shapes
from cartoon_dist.data.load.loader_workers import START_METHOD, LoaderWorkers
from cartoon_dist.data.load.picks import PickedBatches
from cartoon_dist.image.codec import read_pixels

STEPS, WARM = 60, 5
GOAL = 0.1
AT_ONCE = 2
"""Threads, or processes, that decode beside each other."""
Steps = LocalBatches | PickedBatches


def main() -> Iterator[Measured]:
    """A batch out of kept samples over one that is decoded, both in this process."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        photos, cartoons = (build_stream(domain, Path(scratch)) for domain in DOMAINS)
        both = (photos, cartoons)
        with LoaderWorkers(0, local_batch_shapes(image_size=SIZE, num=BATCH_SIZE)) as none:
            filled = fill(both, none)
        decoded, kept = _steps(both), _steps(read_kept(both, filled.sides, filled.problems))
        picked = PickedBatches(_steps(both), problems=filled.problems, sizes=(SIZE, SIZE))
        rows = [[_seconds(steps, step) for steps in (kept, decoded, picked)] for step in range(STEPS)][WARM:]
        per_pair = [1e6 * median(column) / BATCH_SIZE for column in zip(*rows, strict=True)]
        show(
            f"us a photo, a cartoon and their companions: kept {per_pair[0]:.0f}, decoded {per_pair[1]:.0f}, "
            f"picks alone {per_pair[2]:.0f}"
        )
        members = [member for step in range(STEPS) for stream in both for member in encoded_members(stream, step)]
        _show_threads(members)
        yield summarise(
            [(row[0], row[1]) for row in rows],
            name="kept_vs_decoded",
            goal=GOAL,
            better="lower",
            against="the same batches decoded",
        )


def _steps(both: Streams) -> LocalBatches:
    return LocalBatches(photos=both[0], cartoons=both[1], batch_size=BATCH_SIZE, warmup_steps=0, rank=0, world_size=1)


def _seconds(steps: Steps, step: int) -> float:
    before = time.thread_time()
    steps[step]
    return time.thread_time() - before


def _show_threads(members: Sequence[Encoded]) -> None:
    """Print what decoding takes by threads and by processes, with the decoder's warnings caught as the reader does,
    and without: by the clock, and in processor time, over those of one process."""

    def caught(member: Encoded) -> None:
        read_pixels(member[0].tobytes(), member[1])

    def plain(member: Encoded) -> None:
        cv2.imdecode(*member)

    for name, decode in (("as the reader decodes", caught), ("imdecode alone", plain)):
        alone, threads, processes = (
            _both_times(work, decode, members) for work in (_in_one, _in_threads, _in_processes)
        )
        told = [
            f"{kind} {clock / alone[0]:.2f} of the clock, {work / alone[1]:.2f} of the work"
            for kind, (clock, work) in (("threads", threads), ("processes", processes))
        ]
        show(f"{name}, {AT_ONCE} at once over one: {'; '.join(told)}")


def _both_times(
    run: Callable[[Callable[[Encoded], None], Sequence[Encoded]], None],
    decode: Callable[[Encoded], None],
    members: Sequence[Encoded],
) -> tuple[float, float]:
    clock, used = time.perf_counter(), sum(os.times()[:4])
    run(decode, members)
    return time.perf_counter() - clock, sum(os.times()[:4]) - used


def _in_one(decode: Callable[[Encoded], None], members: Sequence[Encoded]) -> None:
    for member in members:
        decode(member)


def _in_threads(decode: Callable[[Encoded], None], members: Sequence[Encoded]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(_in_one, decode, members[first::AT_ONCE]) for first in range(AT_ONCE)]:
            future.result()


def _in_processes(decode: Callable[[Encoded], None], members: Sequence[Encoded]) -> None:
    context = get_context(START_METHOD)
    started = [
        context.Process(target=_in_one, args=(decode, members[first::AT_ONCE]))  # type: ignore[attr-defined]
        for first in range(AT_ONCE)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()


if __name__ == "__main__":
    publish(main())
