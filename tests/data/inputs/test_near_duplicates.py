"""The search for near-duplicates by bands, against a comparison of all pairs."""

import random

from hypothesis import given
from hypothesis import strategies as st

from cartoon_dist.data.inputs.near_duplicates import NearDuplicateFinder
from cartoon_dist.image.perceptual_hash import are_near_duplicates


def compare_all(hashes: list[int], num_bits: int) -> list[str | None]:
    """Compare each hash with all kept ones, in order."""
    kept: list[int] = []
    originals: list[str | None] = []
    for position, picture_hash in enumerate(hashes):
        near = [first for first in kept if are_near_duplicates(hashes[first], picture_hash, num_bits=num_bits)]
        originals.append(str(near[0]) if near else None)
        kept += [] if near else [position]
    return originals


@given(seed=st.integers(0, 10_000), num_bits=st.integers(0, 10))
def test_the_bands_miss_no_near_duplicate(seed: int, num_bits: int) -> None:
    chance = random.Random(seed)
    hashes = [chance.getrandbits(128) for _ in range(4)]
    for _ in range(40):  # groups of hashes that differ by a few bits
        picture_hash = chance.choice(hashes)
        for _ in range(chance.randrange(5)):
            picture_hash ^= 1 << chance.randrange(128)
        hashes.append(picture_hash)
    finder = NearDuplicateFinder(num_bits=num_bits)
    assert [
        finder.add_or_find(str(position), picture_hash) for position, picture_hash in enumerate(hashes)
    ] == compare_all(hashes, num_bits)


def test_many_pictures_take_less_than_quadratic_time() -> None:
    chance = random.Random(0)
    finder = NearDuplicateFinder(num_bits=3)
    for number in range(50_000):  # takes a second; all pairs would be a billion comparisons
        assert finder.add_or_find(str(number), chance.getrandbits(128)) is None
