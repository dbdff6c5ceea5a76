"""Near-duplicates by bands, against the comparison of each with each."""

import random

from hypothesis import given
from hypothesis import strategies as st

from cartoon_dist.data.inputs.near_duplicates import Lookalikes
from cartoon_dist.image.perceptual_hash import are_near


def slow(likenesses: list[int], num_bits: int) -> list[str | None]:
    """Each with all that were kept, in order."""
    kept: list[int] = []
    told: list[str | None] = []
    for number, looks in enumerate(likenesses):
        near = [first for first in kept if are_near(likenesses[first], looks, num_bits=num_bits)]
        told.append(str(near[0]) if near else None)
        kept += [] if near else [number]
    return told


@given(seed=st.integers(0, 10_000), num_bits=st.integers(0, 10))
def test_the_bands_miss_none(seed: int, num_bits: int) -> None:
    chance = random.Random(seed)
    likenesses = [chance.getrandbits(128) for _ in range(4)]
    for _ in range(40):  # families of pictures that drift apart bit by bit
        looks = chance.choice(likenesses)
        for _ in range(chance.randrange(5)):
            looks ^= 1 << chance.randrange(128)
        likenesses.append(looks)
    seen = Lookalikes(num_bits=num_bits)
    assert [seen.take(str(number), looks) for number, looks in enumerate(likenesses)] == slow(likenesses, num_bits)


def test_many_pictures_take_no_quadratic_time() -> None:
    chance = random.Random(0)
    seen = Lookalikes(num_bits=3)
    for number in range(50_000):  # a second; each with each would be a billion comparisons
        assert seen.take(str(number), chance.getrandbits(128)) is None
