"""A process's share of each global batch, as bytes, in the order of the plan."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cartoon_dist.data.format.reader import MEMBERS, SampleError, Shards
from cartoon_dist.data.load.loader_workers import LoaderWorkers, Room, WorkerError
from cartoon_dist.data.load.sampler import Plan, positions
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch

CANDIDATES = 100
"""Samples that are tried for one position before the set as a whole is given up."""
_CHANNELS = {"photo": 3, "saliency": 1, "cartoon": 3, "smoothed": 3}


class Damaged(NamedTuple):
    """A sample that could not be read, by its number in its domain's training set, and what is wrong with it."""

    domain: str
    number: int
    what: str


class Share(NamedTuple):
    """A process's part of a global batch, and the damaged samples that others stand in for in it."""

    batch: Batch
    damaged: Sequence[Damaged]


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One domain's endless stream of pairs (picture, companion)."""

    shards: Shards
    plan: Plan
    image_size: int
    fit: Literal["exact", "shrink", "crop"]
    flip: bool

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Of the picture and of its companion: (size, size, c)."""
        return [(self.image_size, self.image_size, _CHANNELS[name]) for name in MEMBERS[self.shards.domain]]

    def pair(self, position: int) -> list[NDArray[np.uint8]]:
        """The picture and its companion at a position, (c, size, size) each."""
        pair = [np.empty(shape, np.uint8) for shape in self.shapes]
        self.place(position, *pair)
        return [side.transpose(2, 0, 1) for side in pair]

    def place(self, position: int, picture: NDArray[np.uint8], companion: NDArray[np.uint8]) -> list[Damaged]:
        """Put the picture and its companion at a position, fitted and flipped alike, where they are wanted; the damaged
        samples that others stand in for.

        ShardError when a shard cannot be read, or of CANDIDATES samples none can.
        """
        damaged = []
        for number in self.plan.candidates(position, CANDIDATES):
            try:
                sample = self.shards.read(number)
            except SampleError as error:
                damaged.append(Damaged(self.shards.domain, number, str(error)))
                continue
            flipped = self.flip and self.plan.draw(position, "flip", 2) == 1
            for pixels, side in ((sample.picture, picture), (sample.companion, companion)):
                fitted = self._fitted(pixels, position).reshape(side.shape)
                if flipped:
                    cv2.flip(fitted, 1, side)  # in a twentieth of numpy's time
                else:
                    side[:] = fitted
            return damaged
        raise ShardError(f"{damaged[0].what} (and {CANDIDATES - 1} samples in its place were no better)")

    def _fitted(self, pixels: NDArray[np.uint8], position: int) -> NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        if self.fit == "exact" or (height, width) == (self.image_size, self.image_size):
            return pixels
        if self.fit == "shrink":
            return np.asarray(cv2.resize(pixels, (self.image_size, self.image_size), interpolation=cv2.INTER_AREA))
        top = self.plan.draw(position, "top", height - self.image_size + 1)
        left = self.plan.draw(position, "left", width - self.image_size + 1)
        return pixels[top : top + self.image_size, left : left + self.image_size]


def stream(
    *, shards: Shards, seed: int, image_size: int, fit: Literal["exact", "shrink", "crop"], flip: bool, batch_size: int
) -> Stream:
    """A checked stream; ShardError when the folder holds too few samples or pictures of another size."""
    stored = shards.manifest.image_size
    if len(shards) < batch_size:
        raise ShardError(
            f"{shards.folder}: {len(shards)} training samples are fewer than batch_size={batch_size}; "
            "lower it or build the shards from more pictures"
        )
    if stored < image_size or (stored != image_size and fit == "exact"):
        raise ShardError(
            f"{shards.folder}: holds pictures of {stored} px, image_size={image_size}; rebuild the shards with "
            f"image_size={image_size}" + (", or set data.fit=shrink or data.fit=crop" if stored > image_size else "")
        )
    plan = Plan(seed=seed, domain=shards.domain, num_samples=len(shards))
    return Stream(shards=shards, plan=plan, image_size=image_size, fit=fit, flip=flip)


def share_shapes(*, image_size: int, num: int) -> list[tuple[int, ...]]:
    """Of a share of `num` samples: photos, labels, cartoons and smoothed cartoons, (n, size, size, c) each."""
    return [(num, image_size, image_size, channels) for channels in _CHANNELS.values()]


class Steps:
    """`steps[k]` is this process's share of step k's global batch; a warm-up step has no cartoons.

    A share that cannot be read is its error, as a value: loader workers read shares too, and what they answer travels.
    """

    def __init__(
        self, *, photos: Stream, cartoons: Stream, batch_size: int, warmup_steps: int, rank: int, world_size: int
    ) -> None:
        self.photos = photos
        self.cartoons = cartoons
        self.warmup_steps = warmup_steps
        self.share = {"batch_size": batch_size, "rank": rank, "world_size": world_size}

    def __getitem__(self, step: int) -> Share | ShardError:
        num = self.share["batch_size"] // self.share["world_size"]
        room = [np.empty(shape, np.uint8) for shape in share_shapes(image_size=self.photos.image_size, num=num)]
        damaged = self.read(step, room)
        return damaged if isinstance(damaged, ShardError) else Share(self.seen(step, room), damaged)

    def read(self, step: int, room: Room) -> list[Damaged] | ShardError:
        """Read a step's share into the given room; the damaged samples that others stand in for in it.

        It leaves torch alone: between the decoding of two steps, a worker's few calls of it took 1 % of the time.
        """
        damaged: list[Damaged] = []
        try:
            for each, at, pair in ((self.photos, step, room[:2]), (self.cartoons, step - self.warmup_steps, room[2:])):
                taken = positions(step=at, **self.share) if at >= 0 else range(0)
                for place, position in enumerate(taken):
                    damaged += each.place(position, pair[0][place], pair[1][place])
        except ShardError as error:
            return error
        return damaged

    def seen(self, step: int, room: Room) -> Batch:
        """A step's share that was read into a room: a view of it."""
        sides = [torch.from_numpy(side).permute(0, 3, 1, 2) for side in room]  # (n, h, w, c) seen as (n, c, h, w)
        return Batch(*sides) if step >= self.warmup_steps else Batch(*sides[:2], *(side[:0] for side in sides[2:]))


def batches(
    steps: Steps,
    *,
    first: int,
    end: int,
    pinned: bool,
    note: Callable[[Sequence[Damaged]], None],
    workers: LoaderWorkers | None = None,
) -> Iterator[Batch]:
    """The batches of steps first..end-1, read ahead by workers where there are any; ShardError in place of one that
    cannot be read. `note` is told of damaged samples that others stand in for, right before their batch is given."""
    if workers is not None and workers.num_workers:
        shares = _from_workers(workers, steps, first, end)
    else:
        shares = map(steps.__getitem__, range(first, end))
    for held in shares:
        if isinstance(held, ShardError):
            raise held
        if held.damaged:
            note(held.damaged)
        yield Batch(*(side.pin_memory() for side in held.batch)) if pinned else held.batch


def _from_workers(workers: LoaderWorkers, steps: Steps, first: int, end: int) -> Iterator[Share | ShardError]:
    try:
        for step, (room, answer) in enumerate(workers.read_ahead(steps, first=first, end=end), first):
            if isinstance(answer, ShardError):
                yield answer
            else:
                assert isinstance(answer, list)
                # A copy: the room is wanted for a later step.
                yield Share(Batch(*(side.clone() for side in steps.seen(step, room))), answer)
    except WorkerError as error:
        raise ShardError(
            f"process {steps.share['rank']} got no batch: {error}; see whether memory or storage ran out, "
            "then run the same command again, with data.num_workers=0 if it happens again"
        ) from None
