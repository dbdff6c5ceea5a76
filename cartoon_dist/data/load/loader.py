"""A process's part of each global batch, as bytes, in the order that the sampler gives."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cartoon_dist.data.format.reader import MEMBERS, Sample, SampleError, Shards
from cartoon_dist.data.load.loader_workers import Buffers, LoaderWorkers, WorkerError
from cartoon_dist.data.load.sampler import SampleOrder, local_positions
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch

Found = TypeVar("Found")
MAX_CANDIDATES = 100
"""How many samples are tried for one position before the whole set is refused."""
_CHANNELS = {"photo": 3, "saliency": 1, "cartoon": 3, "smoothed": 3}


class DamagedSample(NamedTuple):
    """A sample that could not be read, by its index in its domain's training set, and what is wrong with it."""

    domain: str
    sample_index: int
    problem: str


class LocalBatch(NamedTuple):
    """A process's part of a global batch, and the damaged samples that were replaced in it."""

    batch: Batch
    damaged: Sequence[DamagedSample]


class Samples(Protocol):
    """Where samples are read by their index: shards, or what is kept of them in memory."""

    def read(self, position: int, /) -> Sample:
        """The sample of that index; SampleError where it alone cannot be read, ShardError where more than it."""
        ...


@dataclass(frozen=True, kw_only=True)
class SampleStream:
    """One domain's endless stream of pairs (picture, companion).

    kept: the same samples in memory, fitted by `fit_whole`; None decodes them from the shards at each use.
    """

    shards: Shards
    order: SampleOrder
    image_size: int
    fit: Literal["exact", "shrink", "crop"]
    flip: bool
    kept: Samples | None = None

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """Of the picture and of its companion: (size, size, c)."""
        return [(self.image_size, self.image_size, _CHANNELS[name]) for name in MEMBERS[self.shards.domain]]

    def pair(self, position: int) -> list[NDArray[np.uint8]]:
        """The picture and its companion at a position, (c, size, size) each."""
        pair = [np.empty(shape, np.uint8) for shape in self.shapes]
        self.read_into(position, *pair)
        return [side.transpose(2, 0, 1) for side in pair]

    def read_into(self, position: int, picture: NDArray[np.uint8], companion: NDArray[np.uint8]) -> list[DamagedSample]:
        """Read the picture and its companion at a position, fitted and flipped alike, into these arrays; returns the
        damaged samples that were replaced.

        ShardError when a shard cannot be read, or none of MAX_CANDIDATES samples.
        """
        source = self.shards if self.kept is None else self.kept
        sample, damaged = self.first_readable(position, source.read)
        flipped, top, left = self.placement(position, sample.picture.shape[0])
        for pixels, side in ((sample.picture, picture), (sample.companion, companion)):
            window = self.fit_whole(pixels)[top : top + self.image_size, left : left + self.image_size]
            fitted = window.reshape(side.shape)
            if flipped:
                cv2.flip(fitted, 1, side)  # in a twentieth of numpy's time
            else:
                side[:] = fitted
        return damaged

    def first_readable(self, position: int, read: Callable[[int], Found]) -> tuple[Found, list[DamagedSample]]:
        """What `read` returns for the first sample at a position that it can read, and the damaged ones before it.

        ShardError when it can read none of MAX_CANDIDATES samples.
        """
        damaged: list[DamagedSample] = []
        for index in self.order.candidates(position, MAX_CANDIDATES):
            try:
                return read(index), damaged
            except SampleError as error:
                damaged.append(DamagedSample(self.shards.domain, index, str(error)))
        raise ShardError(f"{damaged[0].problem} (and {MAX_CANDIDATES - 1} samples in its place were no better)")

    def placement(self, position: int, stored: int) -> tuple[bool, int, int]:
        """Whether the sample at a position is flipped, and the top left corner of its window, which is that of the
        picture where a picture stored with so many pixels is not cropped."""
        flipped = self.flip and self.order.random_choice(position, "flip", 2) == 1
        room = stored - self.image_size if self.fit == "crop" else 0
        if not room:
            return flipped, 0, 0
        top, left = (self.order.random_choice(position, side, room + 1) for side in ("top", "left"))
        return flipped, top, left

    def fit_whole(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A picture as its windows are cut from it: shrunk where the stream shrinks, else as it is."""
        if self.fit != "shrink" or pixels.shape[0] == self.image_size:
            return pixels
        return np.asarray(cv2.resize(pixels, (self.image_size, self.image_size), interpolation=cv2.INTER_AREA))


def open_stream(
    *, shards: Shards, seed: int, image_size: int, fit: Literal["exact", "shrink", "crop"], flip: bool, batch_size: int
) -> SampleStream:
    """The stream of a shard folder; ShardError when the folder holds too few samples or pictures of another size."""
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
    order = SampleOrder(seed=seed, domain=shards.domain, num_samples=len(shards))
    return SampleStream(shards=shards, order=order, image_size=image_size, fit=fit, flip=flip)


def local_batch_shapes(*, image_size: int, num: int) -> list[tuple[int, ...]]:
    """Of a local batch of `num` samples: photos, labels, cartoons and smoothed cartoons, (n, size, size, c) each."""
    return [(num, image_size, image_size, channels) for channels in _CHANNELS.values()]


class LocalBatches:
    """`batches[k]` is this process's part of step k's global batch; a warm-up step has no cartoons.

    A batch that cannot be read is its error, as a value: loader workers send their answers through a pipe.
    """

    def __init__(
        self,
        *,
        photos: SampleStream,
        cartoons: SampleStream,
        batch_size: int,
        warmup_steps: int,
        rank: int,
        world_size: int,
    ) -> None:
        self.photos = photos
        self.cartoons = cartoons
        self.warmup_steps = warmup_steps
        self.partition = {"batch_size": batch_size, "rank": rank, "world_size": world_size}

    def __getitem__(self, step: int) -> LocalBatch | ShardError:
        num = self.partition["batch_size"] // self.partition["world_size"]
        shapes = local_batch_shapes(image_size=self.photos.image_size, num=num)
        buffers = [np.empty(shape, np.uint8) for shape in shapes]
        damaged = self.read(step, buffers)
        return damaged if isinstance(damaged, ShardError) else LocalBatch(self.as_batch(step, buffers), damaged)

    def read(self, step: int, buffers: Buffers) -> list[DamagedSample] | ShardError:
        """Read a step's local batch into the buffers; returns the damaged samples that were replaced in it.

        It does not use torch: in a worker a few torch calls per step took 1 % of the time.
        """
        damaged: list[DamagedSample] = []
        try:
            for (stream, positions), pair in zip(self.parts(step), (buffers[:2], buffers[2:]), strict=True):
                for place, position in enumerate(positions):
                    damaged += stream.read_into(position, pair[0][place], pair[1][place])
        except ShardError as error:
            return error
        return damaged

    def parts(self, step: int) -> list[tuple[SampleStream, range]]:
        """Both streams, each with the positions of a step's local batch."""
        steps = ((self.photos, step), (self.cartoons, step - self.warmup_steps))
        return [
            (stream, local_positions(step=number, **self.partition) if number >= 0 else range(0))
            for stream, number in steps
        ]

    def as_batch(self, step: int, buffers: Buffers) -> Batch:
        """The buffers into which a step's local batch was read, as a Batch; no copy."""
        sides = [torch.from_numpy(side).permute(0, 3, 1, 2) for side in buffers]  # (n, h, w, c) viewed as (n, c, h, w)
        return Batch(*sides) if step >= self.warmup_steps else Batch(*sides[:2], *(side[:0] for side in sides[2:]))


def batches(
    steps: LocalBatches,
    *,
    first: int,
    end: int,
    on_damaged: Callable[[Sequence[DamagedSample]], None],
    workers: LoaderWorkers | None = None,
) -> Iterator[Batch]:
    """The batches of steps first..end-1, read ahead by workers if there are any; see `sound_batches`."""
    return sound_batches(
        read_local_batches(steps, first=first, end=end, workers=workers, take=Tensor.clone), on_damaged
    )


def sound_batches(
    read: Iterator[LocalBatch | ShardError], on_damaged: Callable[[Sequence[DamagedSample]], None]
) -> Iterator[Batch]:
    """The batches alone: an error among them is raised, and `on_damaged` is called with the damaged samples that were
    replaced, right before their batch is yielded."""
    for local_batch in read:
        if isinstance(local_batch, ShardError):
            raise local_batch
        if local_batch.damaged:
            on_damaged(local_batch.damaged)
        yield local_batch.batch


def read_local_batches(
    steps: LocalBatches,
    *,
    first: int,
    end: int,
    workers: LoaderWorkers | None = None,
    take: Callable[[Tensor], Tensor],
) -> Iterator[LocalBatch | ShardError]:
    """The local batches of steps first..end-1, read ahead by workers if there are any.

    take: called for each side that lies in the workers' memory, which they use again for a later step: makes a copy.
    """
    if workers is None or not workers.num_workers:
        yield from map(steps.__getitem__, range(first, end))
        return
    try:
        for step, (buffers, answer) in enumerate(workers.read_ahead(steps, first=first, end=end), first):
            if isinstance(answer, ShardError):
                yield answer
            else:
                assert isinstance(answer, list)
                yield LocalBatch(Batch(*(take(side) for side in steps.as_batch(step, buffers))), answer)
    except WorkerError as error:
        raise ShardError(
            f"process {steps.partition['rank']} got no batch: {error}; see whether memory or storage ran out, "
            "then run the same command again, with data.num_workers=0 if it happens again"
        ) from None
