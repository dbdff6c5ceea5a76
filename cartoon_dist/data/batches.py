"""A process's share of each global batch, as bytes, in the order of the plan."""

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from cartoon_dist.data.plan import Plan, positions
from cartoon_dist.data.read import MEMBERS, SampleError, Shards
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch

WAIT_SECONDS = 600
"""How long a process waits for its loader's workers: longer than any storage should take for a batch."""
CANDIDATES = 100
"""Samples that are tried for one position before the set as a whole is given up."""
AHEAD = 2
"""Steps that each worker may be ahead."""
_CHANNELS = {"photo": 3, "saliency": 1, "cartoon": 3, "smoothed": 3}

Room = list[NDArray[np.uint8]]
"""Pictures and companions of both domains, (n, size, size, c) each: as they are decoded. The device turns them."""


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


class Steps(Dataset[Share | ShardError]):
    """Item k is this process's share of step k's global batch; a warm-up step has no cartoons.

    A share that cannot be read is its error: an exception raised in a loader worker would arrive with the worker's
    traceback for its message.
    """

    def __init__(
        self, *, photos: Stream, cartoons: Stream, batch_size: int, warmup_steps: int, rank: int, world_size: int
    ) -> None:
        self.photos = photos
        self.cartoons = cartoons
        self.warmup_steps = warmup_steps
        self.share = {"batch_size": batch_size, "rank": rank, "world_size": world_size}

    def __getitem__(self, step: int) -> Share | ShardError:
        room = self.room(np.empty)
        damaged = self.read(step, room)
        return damaged if isinstance(damaged, ShardError) else Share(self.seen(step, room), damaged)

    def room(self, make: Callable[[tuple[int, ...], type[np.uint8]], NDArray[np.uint8]]) -> Room:
        """Room for a whole share."""
        num = self.share["batch_size"] // self.share["world_size"]
        sizes = [(num, *shape) for each in (self.photos, self.cartoons) for shape in each.shapes]
        return [make(size, np.uint8) for size in sizes]

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


class _Ring(Dataset[list[Damaged] | ShardError]):
    """Shares in memory that forked workers have in common with this process: what travels is only what is damaged.

    Sent by the loader, a share is copied into new shared memory (1.6 ms for 1.5 MB, 20 times a copy into old memory);
    and one that is on its way when its worker dies cannot be taken in.
    """

    def __init__(self, steps: Steps, *, first: int, num_workers: int) -> None:
        self.steps = steps
        self.first = first
        # The loader has so many steps in hand beside the one that it gave last.
        self.rooms = [steps.room(_shared) for _ in range(num_workers * AHEAD + 1)]

    def __getitem__(self, step: int) -> list[Damaged] | ShardError:
        return self.steps.read(step, self._room(step))

    def taken(self, step: int) -> Batch:
        """The share of a step, copied: its room is wanted for a later one."""
        return Batch(*(side.clone() for side in self.steps.seen(step, self._room(step))))

    def _room(self, step: int) -> Room:
        return self.rooms[(step - self.first) % len(self.rooms)]


def _shared(size: tuple[int, ...], _: type[np.uint8]) -> NDArray[np.uint8]:
    return np.frombuffer(mmap(-1, math.prod(size)), np.uint8).reshape(size)


def batches(
    steps: Steps,
    *,
    first: int,
    end: int,
    num_workers: int,
    pinned: bool,
    note: Callable[[Sequence[Damaged]], None],
) -> Iterator[Batch]:
    """The batches of steps first..end-1, read ahead by worker processes; ShardError in place of one that cannot be
    read. `note` is told of damaged samples that others stand in for, right before their batch is given."""
    # Here and not in the workers: a fork inherits OpenCV's thread pool without its threads, and waits for them for
    # ever.
    cv2.setNumThreads(1)
    shares = _from_workers(steps, first, end, num_workers) if num_workers else map(steps.__getitem__, range(first, end))
    for held in shares:
        if isinstance(held, ShardError):
            raise held
        if held.damaged:
            note(held.damaged)
        yield Batch(*(side.pin_memory() for side in held.batch)) if pinned else held.batch


def _from_workers(steps: Steps, first: int, end: int, num_workers: int) -> Iterator[Share | ShardError]:
    ring = _Ring(steps, first=first, num_workers=num_workers)
    loader: DataLoader[list[Damaged] | ShardError] = DataLoader(
        ring,
        batch_size=None,
        sampler=range(first, end),
        num_workers=num_workers,
        prefetch_factor=AHEAD,
        multiprocessing_context="fork",
        timeout=WAIT_SECONDS,
        worker_init_fn=_serve,
        generator=torch.Generator(),  # else it draws from torch's own, which a run that goes on takes up as it was
    )
    try:
        for step, held in enumerate(loader, first):
            yield held if isinstance(held, ShardError) else Share(ring.taken(step), held)
    except RuntimeError as error:
        if not str(error).startswith("DataLoader"):  # its own words for a worker that was killed or has fallen silent
            raise
        raise ShardError(
            f"process {steps.share['rank']} got no batch: {error}; see whether memory or storage ran out, "
            "then run the same command again, with data.num_workers=0 if it happens again"
        ) from None


def _serve(_worker: int) -> None:
    """Make a worker deaf to requests to stop: a terminal or a scheduler signals the whole group, the training process
    answers, and its workers serve it until it leaves."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
