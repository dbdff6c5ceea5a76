"""Streams over small shards, and their batches decoded and kept, for tests that compare them."""

from collections.abc import Iterator
from pathlib import Path

import torch

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.load.kept import Streams
from cartoon_dist.data.load.loader import LocalBatch, LocalBatches, SampleStream, local_batch_shapes, open_stream
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.tensors import Batch

BATCH_SIZE, WARMUP_STEPS = 8, 2
NUM_STEPS = 9
"""More than two passes over either domain."""
FITS = {"exact": 32, "shrink": 16, "crop": 20}
"""How pictures of 32 px are fitted, and to how many pixels."""


def streams(folder: Path, fit: str = "exact", size: int = 32) -> Streams:
    """Both domains' streams."""
    return _stream(folder, "photo", fit, size), _stream(folder, "cartoon", fit, size)


def _stream(folder: Path, domain: str, fit: str, size: int) -> SampleStream:
    shards = Shards(folder=folder / f"{domain}s", domain=domain, split="train")
    return open_stream(shards=shards, seed=3, image_size=size, fit=fit, flip=True, batch_size=4)  # type: ignore[arg-type]


def steps_of(both: Streams, *, rank: int = 0, world_size: int = 1) -> LocalBatches:
    """A process's local batches, the first ones of a warm-up."""
    return LocalBatches(
        photos=both[0],
        cartoons=both[1],
        batch_size=BATCH_SIZE,
        warmup_steps=WARMUP_STEPS,
        rank=rank,
        world_size=world_size,
    )


def decoded(both: Streams, step: int, *, rank: int = 0, world_size: int = 1) -> LocalBatch:
    """A step's local batch as it is without keeping."""
    found = steps_of(both, rank=rank, world_size=world_size)[step]
    assert isinstance(found, LocalBatch)
    return found


def workers(size: int, num_workers: int) -> LoaderWorkers:
    """Loader workers for pictures of so many pixels."""
    return LoaderWorkers(num_workers, local_batch_shapes(image_size=size, num=BATCH_SIZE))


def differing(batch: Batch, expected: Batch) -> list[str]:
    """The sides that are not the same to the bit, laid out alike."""
    return [
        name
        for name, found, wanted in zip(Batch._fields, batch, expected, strict=True)
        if not torch.equal(found, wanted) or found.stride() != wanted.stride()
    ]


def mapped_files(process: int | None = None) -> Iterator[str]:
    """The lines of a process's map that are of kept memory; None is this one."""
    return (
        line for line in Path(f"/proc/{process or 'self'}/maps").read_text().splitlines() if "cartoon_dist_kept" in line
    )
