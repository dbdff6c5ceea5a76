"""The order of samples, against permutations that are stored whole."""

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartoon_dist.data.load.sampler import SampleOrder, local_positions

GOLDEN_ORDER = [5, 7, 6, 4, 3, 1, 2, 9, 8, 0, 6, 5, 9, 1, 0, 3, 4, 2, 7, 8]


def order_of(num_samples: int, seed: int = 0, domain: str = "photo") -> SampleOrder:
    return SampleOrder(seed=seed, domain=domain, num_samples=num_samples)


@settings(max_examples=40, deadline=None)
@given(num_samples=st.integers(1, 300), pass_index=st.integers(0, 1000), seed=st.integers(0, 2**40))
def test_each_pass_holds_every_sample_once(num_samples: int, pass_index: int, seed: int) -> None:
    order = order_of(num_samples, seed)
    taken = [order.sample(pass_index * num_samples + place) for place in range(num_samples)]
    assert sorted(taken) == list(range(num_samples))


def test_passes_seeds_and_domains_differ() -> None:
    def first(order: SampleOrder, pass_index: int) -> list[int]:
        return [order.sample(pass_index * 100 + place) for place in range(100)]

    orders = [
        first(order_of(100), 0),
        first(order_of(100), 1),
        first(order_of(100, seed=1), 0),
        first(order_of(100, domain="cartoon"), 0),
    ]
    assert len({tuple(order) for order in orders}) == len(orders)


@pytest.mark.parametrize("num_samples", [5, 24, 33])
def test_every_sample_is_equally_likely_at_every_place(num_samples: int) -> None:
    passes = 4000
    for place in (0, num_samples // 2, num_samples - 1):
        counts = Counter(order_of(num_samples).sample(pass_index * num_samples + place) for pass_index in range(passes))
        expected = passes / num_samples
        chi_squared = sum((counts[sample] - expected) ** 2 / expected for sample in range(num_samples))
        # Mean num_samples - 1, deviation sqrt(2 (num_samples - 1)): five deviations never happen by chance.
        assert chi_squared < num_samples - 1 + 5 * (2 * (num_samples - 1)) ** 0.5


def test_the_order_has_not_changed() -> None:
    """A changed order would silently break the resuming of every run that exists."""
    assert [order_of(10).sample(position) for position in range(20)] == GOLDEN_ORDER


def hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


@settings(max_examples=60, deadline=None)
@given(num_samples=st.integers(1, 5000), position=st.integers(0, 10**6), seed=st.integers(0, 2**40))
def test_the_order_is_that_of_a_feistel_network_without_tables(num_samples: int, position: int, seed: int) -> None:
    pass_index, place = divmod(position, num_samples)
    half_bits = next(bits for bits in range(1, 99) if 4**bits >= num_samples)
    place_is_inside = False
    while not place_is_inside:
        left, right = divmod(place, 2**half_bits)
        for turn in range(6):
            left, right = right, left ^ (hashed(f"{seed}/cartoon/order/{pass_index}/{turn}/{right}") % 2**half_bits)
        place = left * 2**half_bits + right
        place_is_inside = place < num_samples
    assert order_of(num_samples, seed, "cartoon").sample(position) == place


@given(step=st.integers(0, 10**6), local_size=st.integers(1, 8))
def test_processes_divide_the_global_batch(step: int, local_size: int) -> None:
    for world_size in (1, 2, 3, 8):
        batch_size = local_size * 24
        whole = list(local_positions(step=step, batch_size=batch_size, rank=0, world_size=1))
        parts = [
            local_positions(step=step, batch_size=batch_size, rank=r, world_size=world_size) for r in range(world_size)
        ]
        assert [position for part in parts for position in part] == whole
        assert len({len(part) for part in parts}) == 1


def test_random_choices_are_even_and_a_function_of_the_position() -> None:
    order = order_of(10)
    flips = [order.random_choice(position, "flip", 2) for position in range(10_000)]
    assert flips == [order.random_choice(position, "flip", 2) for position in range(10_000)]
    assert 4800 < sum(flips) < 5200
    corners = Counter(order.random_choice(position, "top", 5) for position in range(10_000))
    assert set(corners) == set(range(5))
    assert min(corners.values()) > 1800


def test_replacements_are_a_function_of_the_position_and_spread_evenly() -> None:
    order = order_of(10)
    first = [list(order.candidates(position, 4)) for position in range(2000)]
    assert first == [list(order.candidates(position, 4)) for position in range(2000)]
    assert [names[0] for names in first] == [order.sample(position) for position in range(2000)]
    for turn in (1, 2, 3):
        counts = Counter(names[turn] for names in first)
        assert set(counts) == set(range(10))
        assert min(counts.values()) > 140
    assert len({tuple(names[1:]) for names in first}) > 800
    assert list(order_of(10, seed=1).candidates(0, 4)) != first[0]
