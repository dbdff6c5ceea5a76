"""When networks have their gradients, at the widths of the paper: in the order of the buckets, within the backward."""

from collections import Counter

import pytest

from bench.driven import settings
from bench.overlap import BucketSum, sums_of_step, table
from bench.scaling import gradient_bytes
from cartoon_dist.train import gradient_averaging

pytestmark = pytest.mark.slow


def test_the_papers_averages_begin_while_the_backward_runs() -> None:
    sums = sums_of_step(settings(64, 1))
    assert sum(one.num_bytes for one in sums) == gradient_bytes()
    assert sums == sorted(sums, key=lambda one: one.begins)
    discriminator, *generator = sums
    assert discriminator.num_bytes < 5e6
    assert 0 < discriminator.begins <= discriminator.awaited < generator[0].begins
    assert {one.awaited for one in generator} == {generator[-1].awaited}
    # More than half of what the generator sends is on its way when a tenth of the step's work is still to come.
    early = sum(one.num_bytes for one in generator if one.begins < one.awaited - 0.1)
    assert early > 0.4 * gradient_bytes()
    assert table(sums).splitlines()[-1].endswith("are sent before the backward ends")


def test_no_bucket_waits_long_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With small buckets they are complete in the order in which they are sent: few go at one moment. (In the order in
    which weights are registered all of the generator's would wait for the saliency network's, to the end.)"""
    monkeypatch.setattr(gradient_averaging, "BUCKET_BYTES", 2**20)
    sums = sums_of_step(settings(64, 1))
    assert len(sums) > 40
    assert max(Counter(one.begins for one in sums).values()) <= 6


def test_the_table_says_what_is_beside_each_bucket() -> None:
    rows = table([BucketSum(num_bytes=2_000_000, begins=0.25, awaited=0.5)]).splitlines()
    assert rows[2] == "| 1 | 2.0 | 25.0% | 50.0% | 25.0% |"
