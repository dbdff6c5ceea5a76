"""Recorded values as numbers."""

import math

import pytest

from cartoon_dist.files.json_values import float_or_nan


@pytest.mark.parametrize("value", [None, "3", True, [1], {}, math.nan, math.inf, 1e200, 10**400])
def test_what_is_no_number_becomes_nan(value: object) -> None:
    assert math.isnan(float_or_nan(value))


def test_numbers_for_a_chart() -> None:
    assert [float_or_nan(value) for value in (3, 0.5, -2.0, 1e-200)] == [3.0, 0.5, -2.0, 0.0]
