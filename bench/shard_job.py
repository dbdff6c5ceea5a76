"""The shard job's time a picture, from the file to the tar, against scikit-image's SLIC: `python -m bench.shard_job`.

`python -m bench.shard_job cartoon` measures that domain alone, in a minute or two.
Two processes are compared with two independent copies of the job, a large set's memory with a small set's.
"""

import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import cv2
from skimage.segmentation import slic

from bench.processes import ROOT, peak_megabytes, run_side_by_side
from bench.ratios import Measured, publish, seconds, show, summarise, time_in_turn
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.build.pipeline import build
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.image import crop
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.image.edges import smooth_edges
from cartoon_dist.image.perceptual_hash import perceptual_hash
from cartoon_dist.image.png import encode_png
from cartoon_dist.saliency.label import label

SIZE = 256
ROUNDS, COPIES = 5, 4
NUM_SHARED = 1440
"""Photos for two processes: enough that their start, which both sides include, matters little."""
NUM_FEW, NUM_MANY = 500, 5000
GOALS: dict[Domain, float] = {"photo": 0.5, "cartoon": 0.1}
LARGE_GOALS: dict[Domain, float] = {"photo": 0.5, "cartoon": 0.4}
ONE = ShardSettings(num_workers=1)


def main(domains: Collection[str] = ()) -> Iterator[Measured]:
    """All ratios of the shard job, or those of the named domains; each domain's parts are printed as well."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for domain in GOALS:
            if domains and domain not in domains:
                continue
            squares = write_squares(domain, folder / f"{domain}s")
            yield from against_slic(domain, squares, f"{domain}_vs_slic", GOALS[domain], folder)
            originals = ROOT / "shards/samples" / f"{domain}s"
            yield from against_slic(domain, originals, f"{domain}_large_vs_slic", LARGE_GOALS[domain], folder)
        if not domains:
            yield two_processes(folder)
            yield memory(folder)


def write_squares(domain: Domain, folder: Path) -> Path:
    """The embedded pictures as a data set gives them: JPEG files, 256 px square; each several times."""
    folder.mkdir()
    for file in sorted((ROOT / "shards/samples" / f"{domain}s").glob("*.jpg")):
        pixels = crop.resize_and_crop(decode(file.read_bytes(), max_megapixels=100), size=SIZE).pixels
        for copy in range(COPIES):
            cv2.imwrite(
                str(folder / f"{file.stem}-{copy}.jpg"), pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95 - copy]
            )
    return folder


def against_slic(domain: Domain, inputs: Path, name: str, goal: float, scratch: Path) -> Iterator[Measured]:
    """One process's time a picture, writing included, against one SLIC call on the square."""
    files = sorted(inputs.glob("*.jpg"))
    squares = [crop.resize_and_crop(decode(file.read_bytes(), max_megapixels=100), size=SIZE).pixels for file in files]
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
    """The parts of the shard job, each a function of a file's bytes and its square."""
    companion = label if domain == "photo" else smooth_edges
    return {
        "decode": lambda data, _: decode(data, max_megapixels=100),
        "decode, crop": lambda data, _: crop.resize_and_crop(decode(data, max_megapixels=100), size=SIZE),
        "decode, likeness": lambda data, _: perceptual_hash(decode(data, max_megapixels=100)),
        "label" if domain == "photo" else "smooth": lambda _, square: companion(square),
        "encode a square": lambda _, square: encode_png(square),
    }


def link_pictures(folder: Path, num: int, domain: Domain) -> Path:
    """A folder of so many links to the squares of a domain."""
    files = sorted((folder.parent / f"{domain}s").glob("*.jpg"))
    folder.mkdir()
    for index in range(num):
        (folder / f"{index:05d}.jpg").symlink_to(files[index % len(files)])
    return folder


def two_processes(folder: Path) -> Measured:
    """Two copies of a one-process job over half the photos each, against one job of two processes over all."""
    halves = [link_pictures(folder / f"half-{half}", NUM_SHARED // 2, "photo") for half in range(2)]
    whole = link_pictures(folder / "whole", NUM_SHARED, "photo")
    pairs = []
    for turn in range(3):
        copies = [command("photos", half, folder / f"copy-{turn}-{k}", 1) for k, half in enumerate(halves)]
        both = [command("photos", whole, folder / f"both-{turn}", 2)]
        pairs.append(time_in_turn(partial(run_side_by_side, copies), partial(run_side_by_side, both)))
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
    for num in (NUM_MANY, NUM_FEW):
        inputs = link_pictures(folder / f"flat-{num}", num, "cartoon")
        peaks.append(peak_megabytes(command("cartoons", inputs, folder / f"peak-{num}", 1)))
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


if __name__ == "__main__":
    publish(main(sys.argv[1:]))
