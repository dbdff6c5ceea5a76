"""The shard job a picture, from the file to the tar, against scikit-image's SLIC: `python -m bench.stages`.

`python -m bench.stages cartoon` measures that domain alone, in a minute or two.
Two processes are compared with two copies of the job that know nothing of each other, a large set's memory with a small
set's.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import cv2
from skimage.segmentation import slic

from bench.ratios import PEAK, Measured, publish, seconds, show, summarise, time_in_turn
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.build.pipeline import build
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.image import crop
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.image.edges import smooth_edges
from cartoon_dist.image.perceptual_hash import likeness
from cartoon_dist.image.png import encode_png
from cartoon_dist.saliency.label import label

ROOT = Path(__file__).parents[1]
SIZE = 256
ROUNDS, COPIES = 5, 4
NUM_SHARED = 1440
"""Photos for two processes: enough for their start, which both sides pay, to weigh little."""
NUM_FEW, NUM_MANY = 500, 5000
GOALS: dict[Domain, float] = {"photo": 0.5, "cartoon": 0.1}
LARGE_GOALS: dict[Domain, float] = {"photo": 0.5, "cartoon": 0.4}
ONE = ShardSettings(num_workers=1)
RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(peak())
"""
"""Runs a script and prints the most memory it held, in MB."""


def main(domains: Collection[str] = ()) -> Iterator[Measured]:
    """All ratios of the stage, or those of the domains that are named; each domain's parts are printed as well."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for domain in GOALS:
            if domains and domain not in domains:
                continue
            squares = as_squares(domain, folder / f"{domain}s")
            yield from against_slic(domain, squares, f"{domain}_vs_slic", GOALS[domain], folder)
            originals = ROOT / "shards/samples" / f"{domain}s"
            yield from against_slic(domain, originals, f"{domain}_large_vs_slic", LARGE_GOALS[domain], folder)
        if not domains:
            yield two_processes(folder)
            yield memory(folder)


def as_squares(domain: Domain, folder: Path) -> Path:
    """The embedded pictures as a data set gives them: JPEG files, 256 px square; each several times."""
    folder.mkdir()
    for file in sorted((ROOT / "shards/samples" / f"{domain}s").glob("*.jpg")):
        pixels = crop.resize(decode(file.read_bytes(), max_megapixels=100), size=SIZE).pixels
        for copy in range(COPIES):
            cv2.imwrite(
                str(folder / f"{file.stem}-{copy}.jpg"), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95 - copy]
            )
    return folder


def against_slic(domain: Domain, inputs: Path, name: str, goal: float, scratch: Path) -> Iterator[Measured]:
    """One process's time a picture, writing included, against one SLIC call on the square."""
    files = sorted(inputs.glob("*.jpg"))
    squares = [crop.resize(decode(file.read_bytes(), max_megapixels=100), size=SIZE).pixels for file in files]
    job = plan_job([str(inputs)], domain=domain, settings=ONE)
    turns = iter(range(ROUNDS + 1))

    def ours() -> None:
        build(job, scratch / f"{name}-{next(turns)}", ONE, shown=False)

    def theirs() -> None:
        for square in squares:
            slic(square, n_segments=250)

    ours()  # the first call loads what was compiled
    theirs()
    pairs = [time_in_turn(ours, theirs) for _ in range(ROUNDS)]
    each = [1000 * median(side) / len(files) for side in zip(*pairs, strict=True)]
    show(f"{name}: {each[0]:.2f} ms a {domain} to {each[1]:.1f} ms")
    for part, work in parts(domain).items():
        data = [file.read_bytes() for file in files]
        times = [1000 * seconds(partial(work, content, square)) for content, square in zip(data, squares, strict=True)]
        show(f"  {part}: {median(times):.2f} ms")
    yield summarise(pairs, name=name, goal=goal, better="lower", against="skimage.segmentation.slic, 250 segments")


def parts(domain: Domain) -> dict[str, Callable[[bytes, Picture], object]]:
    """The parts of the stage, each a function of a file's bytes and its square."""
    companion = label if domain == "photo" else smooth_edges
    return {
        "decode": lambda data, _: decode(data, max_megapixels=100),
        "decode, crop": lambda data, _: crop.resize(decode(data, max_megapixels=100), size=SIZE),
        "decode, likeness": lambda data, _: likeness(decode(data, max_megapixels=100)),
        "label" if domain == "photo" else "smooth": lambda _, square: companion(square),
        "encode a square": lambda _, square: encode_png(square),
    }


def many(folder: Path, number: int, domain: Domain) -> Path:
    """So many links to the squares of a domain."""
    files = sorted((folder.parent / f"{domain}s").glob("*.jpg"))
    folder.mkdir()
    for place in range(number):
        (folder / f"{place:05d}.jpg").symlink_to(files[place % len(files)])
    return folder


def two_processes(folder: Path) -> Measured:
    """Two copies of a one-process job over half the photos each, against one job of two processes over all."""
    halves = [many(folder / f"half-{half}", NUM_SHARED // 2, "photo") for half in range(2)]
    whole = many(folder / "whole", NUM_SHARED, "photo")
    pairs = []
    for turn in range(3):
        copies = [command("photos", half, folder / f"copy-{turn}-{k}", 1) for k, half in enumerate(halves)]
        both = [command("photos", whole, folder / f"both-{turn}", 2)]
        pairs.append(time_in_turn(partial(finish, copies), partial(finish, both)))
    return summarise(
        pairs,
        name="shards_two_processes",
        goal=0.9,
        better="higher",
        against="two independent copies, their time over ours",
    )


def memory(folder: Path) -> Measured:
    """The most memory of a job over many cartoons, against one over few."""
    peaks = []
    for number in (NUM_MANY, NUM_FEW):
        inputs = many(folder / f"flat-{number}", number, "cartoon")
        words = command("cartoons", inputs, folder / f"peak-{number}", 1)
        words[1:1] = ["-c", PEAK + RUN]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout.split()[-1]))
    show(f"memory: {peaks[0]:.0f} MB for {NUM_MANY} cartoons, {peaks[1]:.0f} MB for {NUM_FEW}")
    return summarise(
        [(peaks[0], peaks[1])],
        name="shards_memory_flat",
        goal=1.1,
        better="lower",
        against=f"peak memory with {NUM_FEW} cartoons for {NUM_MANY}",
    )


def command(script: str, inputs: Path, out: Path, num_workers: int) -> list[str]:
    """A shard job as a user types it."""
    return [sys.executable, f"{ROOT}/shards/{script}.py", str(inputs), str(out), f"num_workers={num_workers}"]


def finish(commands: Sequence[Sequence[str]]) -> None:
    """Run commands side by side to their ends."""
    running = [subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for words in commands]
    for process in running:
        if process.wait():
            raise RuntimeError(f"{process.args!r} failed")


if __name__ == "__main__":
    publish(main(sys.argv[1:]))
