"""Samples out of shards, by number: one `pread` a member, at the offset that the shard's index gives.

A position in a tar stream cannot be restored and a damaged tar loses samples silently; an index with hashes and
offsets mends both.
"""

import bisect
import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cartoon_dist.data.format.manifest import (
    FETCHED,
    Manifest,
    SampleEntry,
    ShardEntry,
    mend_by,
    read_index,
    read_manifest,
)
from cartoon_dist.data.format.sample import Split
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import MAX_SHARD_BYTES, require_regular, sha256_of
from cartoon_dist.image.codec import read_pixels

MEMBERS = {"photo": ("photo", "saliency"), "cartoon": ("cartoon", "smoothed")}
"""The picture and its companion, for each domain."""

MAX_OPEN = 256
"""Shards that stay open: a process may hold 1,024 files on most systems, and a large set has more shards than that."""
_OPEN: dict[str, int] = {}


class Sample(NamedTuple):
    """A picture (h, w, 3) RGB and its companion, (h, w, 1) for a label and (h, w, 3) for a smoothed cartoon; all
    uint8."""

    picture: NDArray[np.uint8]
    companion: NDArray[np.uint8]


class SampleError(ShardError):
    """One sample cannot be read; those around it may be sound."""


class Shards:
    """The samples of one domain's folder that belong to the given split, or to any, in the order of the manifest.

    Opening reads the manifest alone, whose counts say which shard holds which number; a shard's index is read when one
    of its samples first is, and of it only where the members lie is kept: 32 bytes a sample.
    """

    def __init__(self, *, folder: Path, domain: str, split: Split | None) -> None:
        self.folder = folder
        self.domain = domain
        self.split = split
        self.manifest: Manifest = read_manifest(folder)
        if self.manifest.domain != domain:
            raise ShardError(
                f"{folder}: holds {self.manifest.domain}s where {domain}s are wanted; mend data.{domain}s="
            )
        self._ends = list(itertools.accumulate(map(self._count, self.manifest.shards)))
        self._spans: dict[int, NDArray[np.int64]] = {}
        self._paths: dict[int, str] = {}  # made once, as making one takes a fiftieth of a picture's decoding

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def is_copy(self) -> bool:
        """Whether the folder was fetched from elsewhere: then each node may have one of its own."""
        return (self.folder / FETCHED).exists()

    def fingerprint(self) -> str:
        """The manifest's: a hash of all the bytes, of whichever split."""
        return self.manifest.fingerprint()

    def entries(self) -> Iterator[SampleEntry]:
        """All samples as the indices list them; reads the indices once more."""
        for which in range(len(self.manifest.shards)):
            yield from self._entries(which)

    def entry(self, number: int) -> SampleEntry:
        """Sample `number` as its index lists it; reads the index once more."""
        which, place = self._place(number)
        return self._entries(which)[place]

    def damaged(self, *, share: slice) -> list[str]:
        """Read every byte of the given share of the shards and say which are not what the manifest says."""
        numbers = range(len(self.manifest.shards))[share]
        return [fault for which in numbers if (fault := self._fault(which))]

    def read(self, number: int) -> Sample:
        """Decode sample `number`; SampleError when a member is missing, cannot be read, or is no picture of the set's
        size, ShardError when its shard or index is gone or damaged."""
        which, place = self._place(number)
        (picture, companion), kinds = self._members(which, place), MEMBERS[self.domain]
        descriptor = _descriptor(self._path(which))
        return Sample(
            self._decode(number, descriptor, kinds[0], picture), self._decode(number, descriptor, kinds[1], companion)
        )

    def spans(self, number: int) -> dict[str, tuple[int, int]]:
        """Offset and length of the picture and of its companion, by their kind; a missing one has length 0."""
        return dict(zip(MEMBERS[self.domain], self._members(*self._place(number)), strict=True))

    def path(self, number: int) -> Path:
        """The tar that holds sample `number`."""
        return Path(self._path(self._place(number)[0]))

    def _count(self, shard: ShardEntry) -> int:
        return {None: shard.num_samples, "train": shard.num_train, "test": shard.num_test}[self.split]

    def _place(self, number: int) -> tuple[int, int]:
        """The shard that holds a number, and the place among its samples of the split."""
        which = bisect.bisect_right(self._ends, number)
        return which, number - (self._ends[which - 1] if which else 0)

    def _members(self, which: int, place: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Offset and length of the picture and of its companion."""
        if which not in self._spans:
            self._spans[which] = self._spans_of(which)
        picture, companion = self._spans[which][place].tolist()
        return tuple(picture), tuple(companion)

    def _path(self, which: int) -> str:
        if which not in self._paths:
            self._paths[which] = str(self.folder / self.manifest.shards[which].name)
        return self._paths[which]

    def _entries(self, which: int) -> list[SampleEntry]:
        shard = self.manifest.shards[which]
        found = [entry for entry in read_index(self.folder, shard.name).samples if self.split in (None, entry.split)]
        if len(found) != self._count(shard):
            raise ShardError(
                f"{self.folder}/{shard.name}: its index lists {len(found)} samples where the manifest counts "
                f"{self._count(shard)}; {self._mend()}"
            )
        return found

    def _spans_of(self, which: int) -> NDArray[np.int64]:
        """Offset and length of both members of a shard's samples, (n, 2, 2); a missing member has length 0."""
        spans = np.zeros((self._count(self.manifest.shards[which]), 2, 2), np.int64)
        for place, entry in enumerate(self._entries(which)):
            for name, span in entry.members.items():
                kind = name.split(".")[0]
                if kind in MEMBERS[self.domain]:
                    spans[place, MEMBERS[self.domain].index(kind)] = span
        return spans

    def _fault(self, which: int) -> str | None:
        shard = self.manifest.shards[which]
        path = self.folder / shard.name
        try:
            self._spans[which] = self._spans_of(which)
            found = sha256_of(path)
        except ShardError as error:
            return str(error)
        except OSError as error:
            return f"{path}: {error.strerror}; {self._mend()}"
        return None if found == shard.sha256 else f"{path}: not the bytes its manifest speaks of; {self._mend()}"

    def _decode(self, number: int, descriptor: int, member: str, span: tuple[int, int]) -> NDArray[np.uint8]:
        offset, length = span
        if not length:
            raise self._error(number, f"has no {member}")
        try:
            content = os.pread(descriptor, length, offset)
        except OSError as error:
            raise self._error(number, f"has a {member} that cannot be read ({error.strerror})") from None
        flags = cv2.IMREAD_GRAYSCALE if member == "saliency" else cv2.IMREAD_COLOR_RGB
        pixels, complaint = read_pixels(content, flags)
        if pixels is None:
            raise self._error(number, f"has a {member} that cannot be decoded")
        if complaint:
            raise self._error(number, f"has a damaged {member} ({complaint})")
        size, (height, width) = self.manifest.image_size, pixels.shape[:2]
        if (height, width) != (size, size):
            raise self._error(number, f"has a {member} of {width} x {height} pixels where the set has {size} x {size}")
        return np.asarray(pixels, dtype=np.uint8).reshape(size, size, -1)

    def _error(self, number: int, what: str) -> SampleError:
        return SampleError(f"{self.path(number)}: sample '{self.entry(number).key}' {what}; {self._mend()}")

    def _mend(self) -> str:
        return mend_by(self.folder)


def _descriptor(path: str) -> int:
    """An open shard. Forked workers may share it, as pread has no position; only the last MAX_OPEN stay open."""
    descriptor = _OPEN.pop(path, None)
    if descriptor is None:
        try:
            with suppress(IsADirectoryError):  # can be opened, and answers each read with an error
                require_regular(Path(path), max_bytes=MAX_SHARD_BYTES)
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise ShardError(f"{path}: {error.strerror}; {mend_by(Path(path).parent)}") from None
        if len(_OPEN) >= MAX_OPEN:
            os.close(_OPEN.pop(next(iter(_OPEN))))
    _OPEN[path] = descriptor  # the last place: the first is that which was not used for longest
    return descriptor
