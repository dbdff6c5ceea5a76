"""The model of a step on N processes, by hand."""

import pytest

from bench.overlap import BucketSum
from bench.scaling import Costs, calculate, fit_costs, gradient_bytes, ring_seconds, step_seconds, waited_seconds
from cartoon_dist.train.gradient_averaging import BUCKET_BYTES

COSTS = Costs(fixed_seconds=0.01, image_seconds=0.02, message_seconds=0.001, bytes_per_second=1e9, crowding=1.5)


def test_the_ring_by_hand() -> None:
    assert ring_seconds(COSTS, 1, 10**8) == 0
    # Two processes: two turns of half the bytes each, 0.1 s in all, and 2 turns x 4 buckets x 1 ms.
    assert 3 * BUCKET_BYTES < 10**8 < 4 * BUCKET_BYTES
    assert ring_seconds(COSTS, 2, 10**8) == pytest.approx(0.1 + 0.008)
    # Eight: fourteen turns of an eighth.
    assert ring_seconds(COSTS, 8, 10**8) == pytest.approx(14 / 8 * 0.1 + 14 * 4 * 0.001)


def test_a_step_by_hand() -> None:
    assert step_seconds(COSTS, num_processes=1, share=4, num_bytes=10**8) == pytest.approx(0.01 + 0.08)
    crowded = 1.5 * (0.01 + 0.08)
    assert step_seconds(COSTS, num_processes=2, share=4, num_bytes=10**8) == pytest.approx(crowded + 0.108)
    waiting = Costs(image_seconds=0.02, message_seconds=0.0, bytes_per_second=1e9, input_seconds=0.5)
    assert step_seconds(waiting, num_processes=2, share=4, num_bytes=0) == 2.0


def test_an_average_within_the_backward_by_hand() -> None:
    """D's one bucket comes when its backward ends, G's first in the middle of its own and the last at its end."""
    sums = [
        BucketSum(num_bytes=10**7, begins=0.4, awaited=0.4),
        BucketSum(num_bytes=2 * 10**7, begins=0.8, awaited=1.0),
        BucketSum(num_bytes=10**7, begins=1.0, awaited=1.0),
    ]
    free = Costs(image_seconds=0.1, message_seconds=0.0, bytes_per_second=1e9)
    # Two processes: 10, 20 and 10 ms. Of 100 ms work: D's is waited for, G's first 20 ms fit, its last are waited for.
    assert waited_seconds(free, 2, 0.1, sums) == pytest.approx(0.010 + 0.010)
    # Of 50 ms work G's first are complete 10 ms before the end, and 10 + 10 ms are left of its sums.
    assert waited_seconds(free, 2, 0.05, sums) == pytest.approx(0.010 + 0.020)
    assert waited_seconds(free, 1, 0.1, sums) == 0
    assert step_seconds(free, num_processes=2, share=1, num_bytes=0, sums=sums) == pytest.approx(0.120)


def test_the_fit_recovers_known_costs() -> None:
    assert fit_costs({share: 0.01 + 0.02 * share for share in (1, 2, 4, 8)}) == pytest.approx((0.01, 0.02))
    fixed, image = fit_costs({1: 0.9, 2: 2.1, 4: 4.4})  # more than in proportion: nothing is fixed
    assert fixed == 0
    assert 0.9 < image < 1.1


def test_the_bytes_are_those_of_the_papers_networks() -> None:
    from cartoon_dist.config.reading import read
    from cartoon_dist.config.train import TrainSettings
    from cartoon_dist.runs.networks_from_config import initial_networks

    networks = initial_networks(read(TrainSettings, [], [], run_dir="none")).values()
    assert gradient_bytes() == sum(weight.numel() * 4 for network in networks for weight in network.parameters())


def test_the_calculator_prints_a_row_for_each_world() -> None:
    lines = calculate(["processes=1,8,64", "image_seconds=0.05", "share=2"]).splitlines()
    assert "image_seconds=0.05" in lines[0]
    assert [line.split("|")[1].strip() for line in lines[3:]] == ["1", "8", "64"]
    assert [line.split("|")[2].strip() for line in lines[3:]] == ["2", "16", "128"]
    assert lines[3].split("|")[-2].strip() == "100%"
