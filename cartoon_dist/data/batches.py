"""A process's share of each global batch, as bytes, in the order of the plan."""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from cartoon_dist.data.plan import Plan, positions
from cartoon_dist.data.read import MEMBERS, Shards
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch

WAIT_SECONDS = 600
"""How long a process waits for its loader's workers: longer than any storage should take for a batch."""
_CHANNELS = {"photo": 3, "saliency": 1, "cartoon": 3, "smoothed": 3}


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One domain's endless stream of pairs (picture, companion)."""

    shards: Shards
    plan: Plan
    image_size: int
    fit: Literal["exact", "shrink", "crop"]
    flip: bool

    def pair(self, position: int) -> list[NDArray[np.uint8]]:
        """The picture and its companion at a position, (c, size, size), fitted and flipped alike."""
        sample = self.shards.read(self.plan.sample(position))
        pixels = np.concatenate([sample.picture, sample.companion], axis=2)  # together, so that they are cut alike
        pixels = self._fitted(pixels, position)
        if self.flip and self.plan.draw(position, "flip", 2):
            pixels = pixels[:, ::-1]
        chw = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        return [chw[:3], chw[3:]]

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


class Steps(Dataset[Batch | ShardError]):
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

    def __getitem__(self, step: int) -> Batch | ShardError:
        try:
            return Batch(*self._stack(self.photos, step), *self._stack(self.cartoons, step - self.warmup_steps))
        except ShardError as error:
            return error

    def _stack(self, stream: Stream, step: int) -> list[torch.Tensor]:
        taken = positions(step=step, **self.share) if step >= 0 else range(0)
        pairs = [stream.pair(position) for position in taken]
        if pairs:
            return [torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True)]
        size = stream.image_size
        return [
            torch.empty((0, _CHANNELS[name], size, size), dtype=torch.uint8) for name in MEMBERS[stream.shards.domain]
        ]


def batches(steps: Steps, *, first: int, end: int, num_workers: int, pinned: bool) -> Iterator[Batch]:
    """The batches of steps first..end-1, read ahead by worker processes; ShardError in place of one that cannot be
    read."""
    # Here and not in the workers: a fork inherits OpenCV's thread pool without its threads, and waits for them for
    # ever.
    cv2.setNumThreads(1)
    loader: DataLoader[Batch | ShardError] = DataLoader(
        steps,
        batch_size=None,
        sampler=range(first, end),
        num_workers=num_workers,
        pin_memory=pinned,
        timeout=WAIT_SECONDS if num_workers else 0,
        worker_init_fn=_serve if num_workers else None,
        generator=torch.Generator(),  # else it draws from torch's own, which a run that goes on takes up as it was
    )
    try:
        for held in loader:
            if isinstance(held, ShardError):
                raise held
            yield held
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
