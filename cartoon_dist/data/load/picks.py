"""Batches of kept samples without their pixels: which samples, how flipped, which window; and the gather that makes
pictures of them on the device that holds the samples.

A batch of picks is a `Batch` whose sides are (n, 4) integers instead of pictures. So what passes batches on (the loop,
the recorded step, which copies each into the memory that it reads) passes picks on too, and the gather can be recorded.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cartoon_dist.data.load.kept import require_sound
from cartoon_dist.data.load.loader import DamagedSample, LocalBatch, LocalBatches, SampleStream
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch

_SAMPLE, _FLIPPED, _TOP, _LEFT = range(4)
"""The columns of picks."""


class PickedBatches:
    """`batches[k]` is step k of the local batches as picks, or the error of a batch that cannot be read.

    problems: of the photos and of the cartoons, what is wrong with each damaged sample. sizes: the pixels of the kept
    photos' and cartoons' sides.
    """

    def __init__(self, steps: LocalBatches, *, problems: Sequence[Mapping[int, str]], sizes: Sequence[int]) -> None:
        self.steps = steps
        self.problems = problems
        self.sizes = sizes

    def __getitem__(self, step: int) -> LocalBatch | ShardError:
        sides: list[Tensor] = []
        damaged: list[DamagedSample] = []
        try:
            for (stream, positions), problems, size in zip(
                self.steps.parts(step), self.problems, self.sizes, strict=True
            ):
                found = [_pick(stream, position, problems, size) for position in positions]
                damaged += [sample for _, replaced in found for sample in replaced]
                picks = torch.tensor([pick for pick, _ in found], dtype=torch.int64).reshape(-1, 4)
                sides += [picks, picks]
        except ShardError as error:
            return error
        return LocalBatch(Batch(*sides), damaged)


def _pick(
    stream: SampleStream, position: int, problems: Mapping[int, str], size: int
) -> tuple[tuple[int, bool, int, int], list[DamagedSample]]:
    index, damaged = stream.first_readable(position, lambda index: require_sound(index, problems))
    return (index, *stream.placement(position, size)), damaged


class DeviceGather:
    """Makes pictures of picks where the kept samples lie on the device, in one reading of them.

    kept: photos, labels, cartoons, smoothed cartoons, (m, stored, stored, c) bytes each. image_size: of the windows.
    Waits for nothing and keeps no number of a batch, so it can be a part of a recorded step.
    """

    def __init__(self, kept: Sequence[Tensor], *, image_size: int) -> None:
        self.kept = kept
        self.places = torch.arange(image_size, device=kept[0].device)

    def __call__(self, picks: Batch) -> Batch:
        """Bytes (n, c, size, size) on the device, with the strides of a decoded batch."""
        return Batch(*(_windows(kept, side, self.places) for kept, side in zip(self.kept, picks, strict=True)))


class StagedGather:
    """Makes pictures of picks on a device while the kept samples lie in host memory: each picture is copied by itself,
    from where it is kept; flips and windows are made on the device.

    kept: as of DeviceGather; page-locked, or a copy waits for the device.
    """

    def __init__(self, kept: Sequence[Tensor], *, image_size: int, device: torch.device) -> None:
        self.kept = kept
        self.places = torch.arange(image_size, device=device)

    def __call__(self, picks: Batch) -> Batch:
        """As of DeviceGather; picks: in host memory."""
        return Batch(*(self._gathered(kept, side) for kept, side in zip(self.kept, picks, strict=True)))

    def _gathered(self, kept: Tensor, picks: Tensor) -> Tensor:
        staged = torch.empty((len(picks), *kept.shape[1:]), dtype=torch.uint8, device=self.places.device)
        for place, index in enumerate(picks[:, _SAMPLE].tolist()):
            staged[place].copy_(kept[index], non_blocking=True)
        of_staged = picks.clone()
        of_staged[:, _SAMPLE] = torch.arange(len(picks))
        return _windows(staged, of_staged.to(self.places.device, non_blocking=True), self.places)


def _windows(kept: Tensor, picks: Tensor, places: Tensor) -> Tensor:
    """The windows of picks (n, 4) from kept pictures (m, stored, stored, c), as (n, c, size, size) with a pixel's
    channels side by side; places: 0..size-1."""
    sample, flipped, top, left = picks.unbind(1)
    rows = top[:, None] + places
    columns = left[:, None] + torch.where(flipped[:, None] == 1, places.flip(0), places)
    taken = kept[sample[:, None, None], rows[:, :, None], columns[:, None, :]]
    return taken.permute(0, 3, 1, 2)
