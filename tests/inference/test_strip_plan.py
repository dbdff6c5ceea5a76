"""What is stored between passes: as little as before, and what saves most of the work beside it."""

import pytest
import torch

from cartoon_dist.inference import strip_plan
from cartoon_dist.inference.row_maps import RowMap
from cartoon_dist.inference.tracing import ordered, trace
from tests.inference.networks import KINDS, small_generator


def traced(kind: str) -> RowMap:
    return trace(small_generator(kind), torch.zeros(()).expand(1, 3, 64, 48))


@pytest.mark.parametrize("kind", KINDS)
def test_full_maps_are_stored_where_they_take_no_more_memory(kind: str) -> None:
    root = traced(kind)
    without = strip_plan._costs(strip_plan._passes(root, ordered([root]), []))
    planned = strip_plan.plan(root)
    memory, work = strip_plan._costs(planned)
    assert memory <= without[0]
    full = [one for one in planned if one.is_stored and one.row_map.height == 64 and one.row_map is not root]
    assert (work < without[1]) == bool(full)
    assert planned[-1].row_map is root


def test_a_network_with_statistics_at_full_size_stores_some() -> None:
    planned = strip_plan.plan(traced("projection resize cbam"))
    assert sum(one.is_stored and one.row_map.height == 64 for one in planned) > 1
