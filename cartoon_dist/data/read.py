"""Samples out of shards, by number: one `pread` a member, at the offset that the shard's index gives.

A position in a tar stream cannot be restored and a damaged tar loses samples silently; an index with hashes and
offsets mends both.
"""

import functools
import os
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from cartoon_dist.data.manifest import Manifest, SampleEntry, ShardEntry, read_index, read_manifest
from cartoon_dist.data.sample import Split
from cartoon_dist.errors import ShardError
from cartoon_dist.files import sha256_of

MEMBERS = {"photo": ("photo", "saliency"), "cartoon": ("cartoon", "smoothed")}
"""The picture and its companion, for each domain."""


class Sample(NamedTuple):
    """A picture (h, w, 3) RGB and its companion, (h, w, 1) for a label and (h, w, 3) for a smoothed cartoon; all
    uint8."""

    key: str
    picture: NDArray[np.uint8]
    companion: NDArray[np.uint8]


class Place(NamedTuple):
    """Where a sample lies."""

    shard: str
    entry: SampleEntry


class Shards:
    """The samples of one domain's folder that belong to the given split, or to any, in the order of the manifest."""

    def __init__(self, *, folder: Path, domain: str, split: Split | None) -> None:
        self.folder = folder
        self.domain = domain
        self.manifest: Manifest = read_manifest(folder)
        if self.manifest.domain != domain:
            raise ShardError(
                f"{folder}: holds {self.manifest.domain}s where {domain}s are wanted; mend data.{domain}s="
            )
        self.places = [
            Place(shard.name, entry)
            for shard in self.manifest.shards
            for entry in read_index(folder, shard.name).samples
            if split in (None, entry.split)
        ]

    def __len__(self) -> int:
        return len(self.places)

    def fingerprint(self) -> str:
        """The manifest's: a hash of all the bytes, of whichever split."""
        return self.manifest.fingerprint()

    def damaged(self, *, share: slice) -> list[str]:
        """Read every byte of the given share of the shards and say which are not what the manifest says."""
        return [fault for shard in self.manifest.shards[share] if (fault := self._fault(shard))]

    def read(self, number: int) -> Sample:
        """Decode sample `number`; ShardError when a member is missing or no picture."""
        place = self.places[number]
        picture, companion = MEMBERS[self.domain]
        grey = companion == "saliency"
        return Sample(
            place.entry.key,
            self._decode(place, picture, cv2.IMREAD_COLOR_RGB),
            self._decode(place, companion, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_RGB),
        )

    def _fault(self, shard: ShardEntry) -> str | None:
        path = self.folder / shard.name
        try:
            found = sha256_of(path)
        except OSError as error:
            return f"{path}: {error.strerror}"
        return None if found == shard.sha256 else f"{path}: not the bytes its manifest speaks of"

    def _decode(self, place: Place, member: str, flags: int) -> NDArray[np.uint8]:
        where = next((span for name, span in place.entry.members.items() if name.split(".")[0] == member), None)
        if where is None:
            raise self._error(place, f"has no {member}")
        offset, length = where
        content = os.pread(_descriptor(self.folder / place.shard), length, offset)
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
        if pixels is None:
            raise self._error(place, f"has a {member} that cannot be decoded")
        return np.asarray(pixels, dtype=np.uint8).reshape(*pixels.shape[:2], -1)

    def _error(self, place: Place, what: str) -> ShardError:
        name = f"{place.shard}: sample '{place.entry.key}'"
        return ShardError(f"{self.folder}/{name} {what}; rebuild it with shards/verify.py {self.folder} --mend")


@functools.cache
def _descriptor(path: Path) -> int:
    """An open shard; it stays open for the process's life, and forked workers may share it as pread has no position."""
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ShardError(f"{path}: {error.strerror}; rebuild it with shards/verify.py {path.parent} --mend") from None
