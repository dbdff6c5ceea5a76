"""Decoded samples kept in memory for a run (`data.keep`): chosen, decoded once, gathered into batches, given back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.messages import print_message
from cartoon_dist.data.load.fill import Filled, fill
from cartoon_dist.data.load.free_memory import free_bytes
from cartoon_dist.data.load.kept import Streams, kept_bytes, read_kept, stored_size
from cartoon_dist.data.load.loader import LocalBatch, LocalBatches
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.data.load.node_memory import sharing_group, system
from cartoon_dist.data.load.picks import DeviceGather, PickedBatches, StagedGather
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError, ShardError
from cartoon_dist.runs.estimate import memory_bytes
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.keep_choice import PLACES, Keep, Place, Room, choose_place, describe_choice
from cartoon_dist.train.page_lock import PageLock
from cartoon_dist.train.phase import EagerUpdate, Phase, StepOutput, WrappedPhase, WrapPhase, run_update


class Kept:
    """The samples that a run keeps; leaving the `with` block gives the memory back.

    place: none keeps nothing. streams: with place=host on a CPU they read from memory. gather: on a GPU, makes a batch
    on the device out of picks; with place=device it is a part of the step (`wrap`).
    """

    def __init__(
        self,
        place: Place,
        streams: Streams,
        *,
        problems: Sequence[Mapping[int, str]] = ({}, {}),
        gather: Callable[[Batch], Batch] | None = None,
        locked: PageLock | None = None,
    ) -> None:
        self.place = place
        self.streams = streams
        self.problems = problems
        self.gather = gather
        self.locked = locked

    def local_batches(self, steps: LocalBatches, first: int, end: int) -> Iterator[LocalBatch | ShardError]:
        """The local batches of steps first..end-1 out of what is kept: picks where there is a `gather`."""
        if self.gather is None:
            return map(steps.__getitem__, range(first, end))
        picked = PickedBatches(steps, problems=self.problems, sizes=[stored_size(stream) for stream in self.streams])
        return map(picked.__getitem__, range(first, end))

    def wrap(self, outer: WrapPhase | None) -> WrapPhase | None:
        """What is to be put around each phase: `outer` (a recording), and inside it the gather, so that a recorded step
        reads picks."""
        if self.place != "device":
            return outer

        def wrap(name: str, phase: Phase) -> WrappedPhase:
            def gathering(picks: Batch, eager_update: EagerUpdate) -> StepOutput:
                assert self.gather is not None  # looked up at use, so that nothing else holds the samples
                return phase(self.gather(picks), eager_update)

            return Unrecorded(gathering) if outer is None else outer(name, gathering)

        return wrap

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.locked is not None:
            self.locked.release()
        photos, cartoons = self.streams
        self.streams = replace(photos, kept=None), replace(cartoons, kept=None)
        self.gather = None


@dataclass(frozen=True)
class Unrecorded:
    """A phase that runs as it is, as a `WrappedPhase`."""

    phase: Phase

    def __call__(self, batch: Batch) -> StepOutput:
        """One iteration."""
        return self.phase(batch, run_update)

    def release(self) -> None:
        """There is nothing to give back."""


def keep_samples(settings: TrainSettings, engine: Engine, streams: Streams, workers: LoaderWorkers) -> Kept:
    """Keep the samples where `data.keep` says, or where they fit; says in a line what was taken. Waits for the other
    processes. ConfigError on all of them where a place that was asked for has no room on one."""
    keep = settings.data.keep
    if keep == "none":
        return Kept("none", streams)
    room = find_room(settings, engine, streams)
    place = _agreed(keep, room)
    print_message(describe_choice(keep, place, room))
    return Kept("none", streams) if place == "none" else keep_at(place, engine.device, streams, workers)


def keep_at(place: Place, device: torch.device, streams: Streams, workers: LoaderWorkers) -> Kept:
    """Decode all samples and keep them there, for steps that run on the device."""
    filled = fill(streams, workers)
    size = streams[0].image_size
    if place == "device":
        sides = [torch.from_numpy(side).to(device) for side in filled.sides]
        return Kept(place, streams, problems=filled.problems, gather=DeviceGather(sides, image_size=size))
    if device.type == "cpu":
        return Kept(place, read_kept(streams, filled.sides, filled.problems))
    return _staged(filled, device, streams)


def find_room(settings: TrainSettings, engine: Engine, streams: Streams) -> Room:
    """What this process finds. Waits for the others: those that cannot share memory each need a copy."""
    groups = set(collectives.all_gather((system(), sharing_group())))
    num_copies = sum(1 for where, _ in groups if where == system())
    free = free_bytes()
    on_cpu, device_free = engine.device.type == "cpu", 0
    if not on_cpu:
        wanted = memory_bytes(settings, world_size=collectives.world_size(), zero_stage=settings.zero_stage)
        training = sum(wanted.values()) - wanted["process"]
        device_free = max(0, torch.cuda.mem_get_info(engine.device)[0] - training)
    return Room(
        num_bytes=kept_bytes(streams),
        on_cpu=on_cpu,
        host=None if free is None else free // num_copies,
        device=device_free,
    )


def _agreed(keep: Keep, room: Room) -> Place:
    """The place for all processes: the first in order that one of them chooses."""
    place: Place = "none"
    failure = ""
    try:
        place = choose_place(keep, room)
    except ConfigError as error:
        failure = str(error)
    found = collectives.all_gather((place, failure))
    if failures := sorted({said for _, said in found if said}):
        raise ConfigError("; ".join(failures))
    return PLACES[min(PLACES.index(chosen) for chosen, _ in found)]


def _staged(filled: Filled, device: torch.device, streams: Streams) -> Kept:
    """Samples in page-locked host memory, gathered on the device."""
    locked = PageLock(filled.sides)
    sides: list[Tensor] = [torch.from_numpy(side) for side in filled.sides]
    gather = StagedGather(sides, image_size=streams[0].image_size, device=device)
    return Kept("host", streams, problems=filled.problems, gather=gather, locked=locked)
