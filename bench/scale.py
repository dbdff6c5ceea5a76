"""The records of a set of a million samples, without the pictures: `python -m bench.scale`.

How long it takes until the first sample can be read, how much memory the whole index takes once every shard has been
read from, and how much a job over as many pictures takes.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.processes import PEAK
from bench.ratios import Measured, publish, show, summarise
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.finalize import ManifestBuilder
from cartoon_dist.data.build.job import Job, plan_job
from cartoon_dist.data.format.manifest import (
    JOB,
    MANIFEST,
    SampleEntry,
    ShardIndex,
    index_path,
    shard_entry,
    write_record,
)
from cartoon_dist.data.inputs.sources import InputPicture

NUM_SAMPLES = 1_000_000
GOAL_SECONDS, GOAL_MEGABYTES = 2.0, 500.0
RUNS = 3
OPEN = """
import sys, time
from pathlib import Path
from cartoon_dist.data.format.reader import Shards
before, start = peak(), time.perf_counter()
shards = Shards(folder=Path(sys.argv[1]), domain="photo", split="train")
number = len(shards) // 2
shards.entry(number)
opened, opening = time.perf_counter() - start, peak()
for position in range(0, len(shards), len(shards) // len(shards.manifest.shards) // 2):  # some of each shard
    shards.spans(position)
print(opened, opening - before, time.perf_counter() - start, peak() - before)
"""
READ_JOB = """
import sys, time
from pathlib import Path
from cartoon_dist.data.build.job import read_job
before, start = peak(), time.perf_counter()
job = read_job(Path(sys.argv[1]))
print(time.perf_counter() - start, peak() - before)
"""


def main() -> Iterator[Measured]:
    """Time and memory of opening, each as a share of its goal."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        num_bytes = write(folder)
        show(
            f"records: {num_bytes / 1e6:.0f} MB of indices, {(folder / MANIFEST).stat().st_size / 1e6:.2f} MB manifest"
        )
        runs = [[float(word) for word in run(OPEN, folder)] for _ in range(RUNS)]
        opened, opening, touched, all_of_it = runs[-1]
        show(f"open: {opened:.2f} s, {opening:.0f} MB; every index read: {touched:.1f} s, {all_of_it:.0f} MB")
        seconds, megabytes = run(READ_JOB, folder)
        size = (folder / JOB).stat().st_size / 1e6
        show(f"job: {size:.0f} MB, read in {float(seconds):.1f} s, {float(megabytes):.0f} MB")
    for name, place, goal, unit in (
        ("index_open_time", 0, GOAL_SECONDS, "s for a million samples"),
        ("index_memory", 3, GOAL_MEGABYTES, "MB for a million samples, every index read"),
    ):
        pairs = [(one[place], goal) for one in runs]
        yield summarise(pairs, name=name, goal=1.0, better="lower", against=f"{goal:g} {unit}")


def run(code: str, folder: Path) -> list[str]:
    """The words that the code prints, run in a process of its own; its errors are seen."""
    words = [sys.executable, "-c", PEAK + code, str(folder)]
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.split()


def write(folder: Path) -> int:
    """Records of a finished photo folder without its tars; the indices' bytes together."""
    (folder / "in").mkdir()
    (folder / "in/a.jpg").write_bytes(b"")
    small = plan_job([str(folder / "in")], domain="photo", settings=ShardSettings())
    names = [f"holiday/2019-{index % 12 + 1:02d}/IMG_{index:07d}.jpg" for index in range(NUM_SAMPLES)]
    pictures = tuple(
        InputPicture(name, name, "test" if index % 10 == 0 else "train", 181_000 + index % 1000)
        for index, name in enumerate(names)
    )
    job = Job("photo", small.settings, small.settings_sha256, "/data/photos", pictures)
    write_record(folder / JOB, job)
    builder, num_bytes = ManifestBuilder(job), 0
    for shard in range(job.num_shards):
        index = made_index(job, shard)
        write_record(index_path(folder, index.shard), index)
        num_bytes += index_path(folder, index.shard).stat().st_size
        builder.entries.append(shard_entry(index))
    write_record(folder / MANIFEST, builder.manifest())
    return num_bytes


def made_index(job: Job, shard: int) -> ShardIndex:
    """An index as a build writes it, of a tar that is not there."""
    samples, end = [], 512
    for position in job.picture_range(shard):
        picture = job.pictures[position]
        members = {}
        for name, size in (("photo.jpg", 21_000), ("saliency.png", 9_000), ("json", 250)):
            members[name] = (end, size)
            end += size + 1024
        samples.append(SampleEntry(f"{position:06d}-img", picture.name, picture.scene, picture.split, members))
    looks = {
        job.pictures[position].name: f"{position * 0x9E3779B97F4A7C15F39CC060:032x}"[-32:]
        for position in job.picture_range(shard)
    }
    return ShardIndex(job.tar_name(shard), "0" * 64, end, job.settings_sha256, tuple(samples), looks=looks)


if __name__ == "__main__":
    publish(main())
