"""Converts numbers to and from JSON, which has no NaN and no infinity."""

import math
from typing import Any

_SMALLEST, _GREATEST = 1e-100, 1e100


def nan_to_none(values: Any) -> Any:
    """Values as JSON can hold them: every NaN and infinity becomes None."""
    if isinstance(values, dict):
        return {key: nan_to_none(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [nan_to_none(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def float_or_nan(value: object) -> float:
    """A recorded value as a number for a chart: NaN (a gap) for what is no number or above 1e100; 0 below 1e-100."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        as_float = float(value)
    except OverflowError:
        return math.nan
    if abs(as_float) < _SMALLEST:
        return 0.0
    return as_float if abs(as_float) <= _GREATEST else math.nan
