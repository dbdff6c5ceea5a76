"""Figures of records as numbers."""

import math

import pytest

from cartoon_dist.files.json_values import as_number


@pytest.mark.parametrize("value", [None, "3", True, [1], {}, math.nan, math.inf, 1e200, 10**400])
def test_what_is_no_figure_is_a_gap(value: object) -> None:
    assert math.isnan(as_number(value))


def test_figures_to_draw() -> None:
    assert [as_number(value) for value in (3, 0.5, -2.0, 1e-200)] == [3.0, 0.5, -2.0, 0.0]
