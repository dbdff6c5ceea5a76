"""Near-duplicates among many pictures, found in order and without comparing each with each."""

from itertools import pairwise

from cartoon_dist.image.perceptual_hash import NUM_BITS, are_near


class Lookalikes:
    """The pictures kept so far. A picture near to one of them is a near-duplicate of the first such one, and not kept.

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

    def first_near(self, likeness: int) -> str | None:
        """The first kept picture that is near to this one, or None."""
        differences, num_bits, kept = likeness >> NUM_BITS, self._num_bits, self._differences
        found = [
            place
            for band, sharing in zip(self._bands, self._sharing, strict=True)
            for place in sharing.get(_part(likeness, band), ())
            # First the cheap half of the comparison: this line is where the time goes.
            if (kept[place] ^ differences).bit_count() <= num_bits
        ]
        near = [place for place in found if are_near(self._kept[place][1], likeness, num_bits=num_bits)]
        return self._kept[min(near)][0] if near else None

    def keep(self, name: str, likeness: int) -> None:
        """Remember a picture."""
        place = len(self._kept)
        self._kept.append((name, likeness))
        self._differences.append(likeness >> NUM_BITS)
        for band, sharing in zip(self._bands, self._sharing, strict=True):
            sharing.setdefault(_part(likeness, band), []).append(place)

    def take(self, name: str, likeness: int) -> str | None:
        """Keep a picture unless it is a near-duplicate, and then tell of which."""
        near = self.first_near(likeness)
        if near is None:
            self.keep(name, likeness)
        return near


def _part(likeness: int, band: tuple[int, int]) -> int:
    low, mask = band
    return likeness >> low & mask
