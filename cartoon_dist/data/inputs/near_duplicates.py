"""Near-duplicates among many pictures, found in their order, without comparing all pairs."""

from itertools import pairwise

from cartoon_dist.image.perceptual_hash import NUM_BITS, are_near_duplicates


class NearDuplicateFinder:
    """The perceptual hashes of the pictures kept so far, and a search for the first one near to a new picture.

    Two hashes that differ in at most n bits agree in at least one of n + 1 bands of bits (pigeonhole): only pictures
    that share a band are compared. With 3 bits a million pictures share a band of 16 bits with some 15 others each.
    """

    def __init__(self, *, num_bits: int) -> None:
        self._num_bits = num_bits
        edges = [NUM_BITS + NUM_BITS * band // (num_bits + 1) for band in range(num_bits + 2)]
        self._bands = [(low, (1 << high - low) - 1) for low, high in pairwise(edges)]
        self._kept: list[tuple[str, int]] = []
        self._differences: list[int] = []
        self._sharing: list[dict[int, list[int]]] = [{} for _ in self._bands]

    def find(self, picture_hash: int) -> str | None:
        """The first kept picture that is near to this one, or None."""
        differences, num_bits, kept = picture_hash >> NUM_BITS, self._num_bits, self._differences
        candidates = [
            position
            for band, sharing in zip(self._bands, self._sharing, strict=True)
            for position in sharing.get(_band_bits(picture_hash, band), ())
            # First the cheap half of the comparison: this line is where the time goes.
            if (kept[position] ^ differences).bit_count() <= num_bits
        ]
        near = [
            position
            for position in candidates
            if are_near_duplicates(self._kept[position][1], picture_hash, num_bits=num_bits)
        ]
        return self._kept[min(near)][0] if near else None

    def add(self, name: str, picture_hash: int) -> None:
        """Keep a picture."""
        position = len(self._kept)
        self._kept.append((name, picture_hash))
        self._differences.append(picture_hash >> NUM_BITS)
        for band, sharing in zip(self._bands, self._sharing, strict=True):
            sharing.setdefault(_band_bits(picture_hash, band), []).append(position)

    def add_or_find(self, name: str, picture_hash: int) -> str | None:
        """Keep a picture unless it is a near-duplicate of a kept one; the name of that one, or None."""
        near = self.find(picture_hash)
        if near is None:
            self.add(name, picture_hash)
        return near


def _band_bits(picture_hash: int, band: tuple[int, int]) -> int:
    low, mask = band
    return picture_hash >> low & mask
