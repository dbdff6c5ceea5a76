"""Decoded samples in memory, as bytes: where each lies, and streams that read them there instead of decoding them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cartoon_dist.data.format.reader import Sample, SampleError
from cartoon_dist.data.load.loader import SampleStream

_PAGE = 4096
Streams = tuple[SampleStream, SampleStream]
"""Of photos and of cartoons."""


@dataclass(frozen=True, kw_only=True)
class KeptSamples:
    """A domain's decoded samples: all pictures (m, size, size, 3) and all companions (m, size, size, c), uint8.

    problems: what is wrong with each damaged sample, by its index; its bytes here mean nothing.
    """

    pictures: NDArray[np.uint8]
    companions: NDArray[np.uint8]
    problems: Mapping[int, str]

    def read(self, position: int, /) -> Sample:
        """As `Shards.read`: the same pixels, fitted, and the same error of a damaged sample."""
        index = require_sound(position, self.problems)
        return Sample(self.pictures[index], self.companions[index])


def require_sound(index: int, problems: Mapping[int, str]) -> int:
    """The index of a sample, or its SampleError where it is damaged."""
    if index in problems:
        raise SampleError(problems[index])
    return index


def stored_size(stream: SampleStream) -> int:
    """The pixels of a kept picture's side: windows are cut at use, so pictures that are cropped are kept whole."""
    return stream.shards.manifest.image_size if stream.fit == "crop" else stream.image_size


def kept_shapes(stream: SampleStream) -> list[tuple[int, int, int, int]]:
    """Of all pictures and of all companions of a domain: (m, size, size, c)."""
    size = stored_size(stream)
    return [(len(stream.shards), size, size, channels) for *_, channels in stream.shapes]


def kept_bytes(streams: Sequence[SampleStream]) -> int:
    """The memory that `divide` divides."""
    return sum(_rounded(shape) for stream in streams for shape in kept_shapes(stream))


def divide(memory: NDArray[np.uint8], streams: Streams) -> list[NDArray[np.uint8]]:
    """The four arrays in it: photos, labels, cartoons, smoothed cartoons. Each begins at a page."""
    sides, first = [], 0
    for stream in streams:
        for shape in kept_shapes(stream):
            sides.append(memory[first : first + int(np.prod(shape))].reshape(shape))
            first += _rounded(shape)
    return sides


def read_kept(
    streams: Streams, sides: Sequence[NDArray[np.uint8]], problems: Sequence[Mapping[int, str]]
) -> tuple[SampleStream, SampleStream]:
    """The streams, reading from these four arrays; problems: of the photos and of the cartoons."""
    photos, cartoons = streams
    return (
        replace(photos, kept=KeptSamples(pictures=sides[0], companions=sides[1], problems=problems[0])),
        replace(cartoons, kept=KeptSamples(pictures=sides[2], companions=sides[3], problems=problems[1])),
    )


def _rounded(shape: tuple[int, ...]) -> int:
    return -(-int(np.prod(shape)) // _PAGE) * _PAGE
