"""Which sample comes at which position of the endless stream: a pure function of seed, domain and position.

Photos and cartoons are two streams, each reshuffled at the end of each pass. A step takes `batch_size` consecutive
positions of each; ranks and workers only divide them. So every number of processes sees the same global batches, no
sample comes twice within a pass, and a run resumes exactly where it stopped. The permutation is computed by position (a
Feistel network with cycle walking; Black and Rogaway, CT-RSA 2002), so nothing the size of the set is stored: the
tables of a pass hold fewer numbers than twelve times its square root.
"""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

_ROUNDS = 6


@dataclass(frozen=True, kw_only=True)
class SampleOrder:
    """The order of one domain's samples."""

    seed: int
    domain: str
    num_samples: int

    def sample(self, position: int) -> int:
        """The sample at a position of the endless stream, in 0..num_samples-1."""
        pass_index, place = divmod(position, self.num_samples)
        return self._permuted(place, pass_index)

    def candidates(self, position: int, count: int) -> Iterator[int]:
        """The sample at a position, then its replacements, each for the case that the one before it is damaged."""
        yield self.sample(position)
        for turn in range(1, count):
            yield self._hash(f"replacement/{position}/{turn}") % self.num_samples

    def random_choice(self, position: int, purpose: str, choices: int) -> int:
        """A random number in 0..choices-1, a function of position and purpose alone: for a flip or a crop's corner."""
        return self._hash(f"{purpose}/{position}") % choices

    def _permuted(self, place: int, pass_index: int) -> int:
        half_bits = max(1, ((self.num_samples - 1).bit_length() + 1) // 2)
        rounds, mask = _rounds(self, pass_index, half_bits), (1 << half_bits) - 1
        while True:  # the network permutes 4**half_bits numbers, fewer than four times the set: few walks suffice
            left, right = place >> half_bits, place & mask
            for turn in rounds:
                left, right = right, left ^ turn[right]
            place = (left << half_bits) | right
            if place < self.num_samples:
                return place

    def _hash(self, place: str) -> int:
        text = f"{self.seed}/{self.domain}/{place}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


@functools.lru_cache(maxsize=4)  # both domains' passes, and those that a batch at their ends also has samples of
def _rounds(order: SampleOrder, pass_index: int, half_bits: int) -> list[list[int]]:
    """The network's round functions in a pass, as a table over the values of a half. Hashed at each use, about 18 times
    a sample, they took 2 % of the time of its decoding."""
    size, prefix = 1 << half_bits, f"order/{pass_index}"
    return [[order._hash(f"{prefix}/{turn}/{half}") % size for half in range(size)] for turn in range(_ROUNDS)]


def local_positions(*, step: int, batch_size: int, rank: int, world_size: int) -> range:
    """The positions of a process in a step, counted from the start of the stream: its part of the global batch."""
    local_size = batch_size // world_size
    first = step * batch_size + rank * local_size
    return range(first, first + local_size)
