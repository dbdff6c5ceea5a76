"""What training reads: both domains' streams, and this process's share of each batch."""

import time
from collections.abc import Generator
from pathlib import Path

from torch import Tensor

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.load.loader import (
    LocalBatches,
    SampleStream,
    local_batch_shapes,
    open_stream,
    read_local_batches,
    sound_batches,
)
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError, ShardError
from cartoon_dist.tensors import Batch
from cartoon_dist.train.ahead import DeviceCopies, on_device_ahead
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.keeping import Kept
from cartoon_dist.train.reporter import Reporter
from cartoon_dist.train.schedule import Schedule


def check_batch_divides(settings: TrainSettings, num: int) -> None:
    """ConfigError when a batch cannot be divided over so many processes and their parts."""
    parts = settings.accumulate
    if settings.batch_size % (num * parts):
        each = f" in {parts} parts each" if parts > 1 else ""
        raise ConfigError(
            f"batch_size: {settings.batch_size} cannot be divided over {num} process{'es' if num > 1 else ''}{each}; "
            f"use a multiple of {num * parts}"
        )


def start_workers(settings: TrainSettings) -> LoaderWorkers:
    """This process's loader workers; before CUDA, the process group or a thread is started."""
    num = settings.batch_size // collectives.world_size()
    return LoaderWorkers(settings.data.num_workers, local_batch_shapes(image_size=settings.image_size, num=num))


def open_streams(settings: TrainSettings) -> tuple[SampleStream, SampleStream]:
    """Both domains' training streams, over shards whose every byte was checked."""
    data = settings.data
    photos, cartoons = (
        open_stream(
            shards=Shards(folder=Path(folder), domain=domain, split="train"),
            seed=settings.seed,
            image_size=settings.image_size,
            fit=data.fit,
            flip=data.flip,
            batch_size=settings.batch_size,
        )
        for domain, folder in (("photo", data.photos), ("cartoon", data.cartoons))
    )
    # The processes share the reading, and all of them stop when one finds damage. Each node has its own copy of a set
    # that was fetched.
    everywhere = slice(collectives.rank(), None, collectives.world_size())
    own = [
        fault
        for shards in (photos.shards, cartoons.shards)
        for fault in shards.damaged(share=collectives.node_share() if shards.is_copy else everywhere)
    ]
    faults = sorted({fault for faults in collectives.all_gather(own) for fault in faults})
    if faults:
        raise ShardError("; ".join(faults))
    return photos, cartoons


def local_batches(
    settings: TrainSettings,
    engine: Engine,
    schedule: Schedule,
    workers: LoaderWorkers,
    kept: Kept,
    reporter: Reporter,
) -> Generator[Batch]:
    """This process's batches from the reporter's step on, of photos and cartoons; the time spent waiting for them is
    reported. On a GPU they lie there, copied while the step before ran; with data.keep=device they are picks.

    ShardError at one that cannot be read.
    """
    photos, cartoons = kept.streams
    steps = LocalBatches(
        photos=photos,
        cartoons=cartoons,
        batch_size=settings.batch_size,
        warmup_steps=schedule.warmup_steps,
        rank=collectives.rank(),
        world_size=collectives.world_size(),
    )
    on_cpu = engine.device.type == "cpu"
    first, end = reporter.first, schedule.total_steps
    if kept.place != "none":
        read = kept.local_batches(steps, first, end)
    else:
        take = Tensor.clone if on_cpu else _as_it_is  # the copy to the device pins it first
        read = read_local_batches(steps, first=first, end=end, workers=workers, take=take)
    if not on_cpu:
        gather = kept.gather if kept.place == "host" else None
        read = on_device_ahead(read, DeviceCopies(engine.device, gather))
    ready = sound_batches(read, reporter.bad_samples.note)
    while True:
        before = time.perf_counter()
        batch = next(ready, None)
        if batch is None:
            return
        reporter.waited(time.perf_counter() - before)
        yield batch


def _as_it_is(side: Tensor) -> Tensor:
    return side
