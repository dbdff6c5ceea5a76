"""Reads samples of shards by position: one read for each member, at the offset in the shard's index.

A tar stream cannot be resumed at a position, and a damaged tar loses samples silently; an index with hashes and offsets
solves both.
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
    read_index,
    read_manifest,
    repair_hint,
)
from cartoon_dist.data.format.sample import Split
from cartoon_dist.errors import ShardError
from cartoon_dist.files.bounded import MAX_SHARD_BYTES, require_regular, sha256_of
from cartoon_dist.files.descriptors import open_to_read, read_at
from cartoon_dist.image.codec import read_pixels

MEMBERS = {"photo": ("photo", "saliency"), "cartoon": ("cartoon", "smoothed")}
"""The picture and its companion, for each domain."""

MAX_OPEN = 256
"""How many shards stay open: a process may open 1,024 files on most systems, and large sets have more shards."""
_OPEN: dict[str, int] = {}


class Sample(NamedTuple):
    """A picture (h, w, 3) RGB and its companion, (h, w, 1) for a label and (h, w, 3) for a smoothed cartoon; all
    uint8."""

    picture: NDArray[np.uint8]
    companion: NDArray[np.uint8]


class SampleError(ShardError):
    """One sample cannot be read; its neighbours may be undamaged."""


class Shards:
    """The samples of one domain's folder that belong to the given split, or to any, in the order of the manifest.

    Opening reads the manifest alone, whose counts say which shard holds which position. A shard's index is read with
    the first of its samples, and only the offsets and lengths of its members are kept: 32 bytes a sample.
    """

    def __init__(self, *, folder: Path, domain: str, split: Split | None) -> None:
        self.folder = folder
        self.domain = domain
        self.split = split
        self.manifest: Manifest = read_manifest(folder)
        if self.manifest.domain != domain:
            raise ShardError(
                f"{folder}: holds {self.manifest.domain}s where {domain}s are wanted; correct data.{domain}s="
            )
        self._ends = list(itertools.accumulate(map(self._count, self.manifest.shards)))
        self._spans: dict[int, NDArray[np.int64]] = {}
        self._paths: dict[int, str] = {}  # cached: making one takes a fiftieth of the time to decode a picture

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def is_copy(self) -> bool:
        """Whether the folder is a downloaded copy: then each node may have its own."""
        return (self.folder / FETCHED).exists()

    def fingerprint(self) -> str:
        """The manifest's fingerprint: a hash of all the bytes, of all splits."""
        return self.manifest.fingerprint()

    def entries(self) -> Iterator[SampleEntry]:
        """All samples as listed in the indices; reads the indices again."""
        for shard_number in range(len(self.manifest.shards)):
            yield from self._entries(shard_number)

    def entry(self, position: int) -> SampleEntry:
        """The sample at a position as listed in its index; reads the index again."""
        shard_number, row = self._locate(position)
        return self._entries(shard_number)[row]

    def damaged(self, *, share: slice) -> list[str]:
        """Read every byte of a share of the shards; an error message for each that does not match the manifest."""
        shard_numbers = range(len(self.manifest.shards))[share]
        return [problem for shard_number in shard_numbers if (problem := self._find_problem(shard_number))]

    def read(self, position: int) -> Sample:
        """Decode the sample at a position; SampleError when a member is missing, cannot be read, or is no picture of
        the set's size, ShardError when its shard or index is gone or damaged."""
        shard_number, row = self._locate(position)
        (picture, companion), kinds = self._spans_at(shard_number, row), MEMBERS[self.domain]
        descriptor = _descriptor(self._path(shard_number))
        return Sample(
            self._decode(position, descriptor, kinds[0], picture),
            self._decode(position, descriptor, kinds[1], companion),
        )

    def spans(self, position: int) -> dict[str, tuple[int, int]]:
        """Offset and length of the picture and of its companion by name; a missing one has length 0."""
        return dict(zip(MEMBERS[self.domain], self._spans_at(*self._locate(position)), strict=True))

    def path(self, position: int) -> Path:
        """The tar that holds the sample at a position."""
        return Path(self._path(self._locate(position)[0]))

    def _count(self, shard: ShardEntry) -> int:
        return {None: shard.num_samples, "train": shard.num_train, "test": shard.num_test}[self.split]

    def _locate(self, position: int) -> tuple[int, int]:
        """The number of the shard that holds a position, and the row among its samples of the split."""
        shard_number = bisect.bisect_right(self._ends, position)
        return shard_number, position - (self._ends[shard_number - 1] if shard_number else 0)

    def _spans_at(self, shard_number: int, row: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Offset and length of the picture and of its companion."""
        if shard_number not in self._spans:
            self._spans[shard_number] = self._read_spans(shard_number)
        picture, companion = self._spans[shard_number][row].tolist()
        return tuple(picture), tuple(companion)

    def _path(self, shard_number: int) -> str:
        if shard_number not in self._paths:
            self._paths[shard_number] = str(self.folder / self.manifest.shards[shard_number].name)
        return self._paths[shard_number]

    def _entries(self, shard_number: int) -> list[SampleEntry]:
        shard = self.manifest.shards[shard_number]
        entries = [entry for entry in read_index(self.folder, shard.name).samples if self.split in (None, entry.split)]
        if len(entries) != self._count(shard):
            raise ShardError(
                f"{self.folder}/{shard.name}: its index lists {len(entries)} samples where the manifest counts "
                f"{self._count(shard)}; {self._repair_hint()}"
            )
        return entries

    def _read_spans(self, shard_number: int) -> NDArray[np.int64]:
        """Offset and length of both members of a shard's samples, (n, 2, 2); a missing member has length 0."""
        spans = np.zeros((self._count(self.manifest.shards[shard_number]), 2, 2), np.int64)
        for row, entry in enumerate(self._entries(shard_number)):
            for name, span in entry.members.items():
                kind = name.split(".")[0]
                if kind in MEMBERS[self.domain]:
                    spans[row, MEMBERS[self.domain].index(kind)] = span
        return spans

    def _find_problem(self, shard_number: int) -> str | None:
        shard = self.manifest.shards[shard_number]
        path = self.folder / shard.name
        try:
            self._spans[shard_number] = self._read_spans(shard_number)
            sha256 = sha256_of(path)
        except ShardError as error:
            return str(error)
        except OSError as error:
            return f"{path}: {error.strerror}; {self._repair_hint()}"
        return (
            None if sha256 == shard.sha256 else f"{path}: not the bytes that its manifest lists; {self._repair_hint()}"
        )

    def _decode(self, position: int, descriptor: int, member: str, span: tuple[int, int]) -> NDArray[np.uint8]:
        offset, length = span
        if not length:
            raise self._error(position, f"has no {member}")
        try:
            content = read_at(descriptor, length, offset)
        except OSError as error:
            raise self._error(position, f"has a {member} that cannot be read ({error.strerror})") from None
        flags = cv2.IMREAD_GRAYSCALE if member == "saliency" else cv2.IMREAD_COLOR_RGB
        pixels, complaint = read_pixels(content, flags)
        if pixels is None:
            raise self._error(position, f"has a {member} that cannot be decoded")
        if complaint:
            raise self._error(position, f"has a damaged {member} ({complaint})")
        size, (height, width) = self.manifest.image_size, pixels.shape[:2]
        if (height, width) != (size, size):
            raise self._error(
                position, f"has a {member} of {width} x {height} pixels where the set has {size} x {size}"
            )
        return np.asarray(pixels, dtype=np.uint8).reshape(size, size, -1)

    def _error(self, position: int, problem: str) -> SampleError:
        return SampleError(
            f"{self.path(position)}: sample '{self.entry(position).key}' {problem}; {self._repair_hint()}"
        )

    def _repair_hint(self) -> str:
        return repair_hint(self.folder)


def _descriptor(path: str) -> int:
    """The file descriptor of a shard. Forked workers may share it; the MAX_OPEN most
    recently used stay open."""
    descriptor = _OPEN.pop(path, None)
    if descriptor is None:
        try:
            with suppress(IsADirectoryError):  # a folder can be opened, and each read of it fails
                require_regular(Path(path), max_bytes=MAX_SHARD_BYTES)
            descriptor = open_to_read(path)
        except OSError as error:
            raise ShardError(f"{path}: {error.strerror}; {repair_hint(Path(path).parent)}") from None
        if len(_OPEN) >= MAX_OPEN:
            os.close(_OPEN.pop(next(iter(_OPEN))))
    _OPEN[path] = descriptor  # now the last one: the first is the least recently used
    return descriptor
