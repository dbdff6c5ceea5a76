"""Numbers between our records and JSON, which knows no NaN and no infinity."""

import math
from typing import Any

_SMALLEST, _GREATEST = 1e-100, 1e100


def finite(values: Any) -> Any:
    """Values as JSON can hold them: a number that is not finite becomes None."""
    if isinstance(values, dict):
        return {key: finite(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values


def as_number(value: object) -> float:
    """A figure of a record as a number to draw: what is none, or far beyond any figure, is a gap; next to 0 is 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    if abs(number) < _SMALLEST:
        return 0.0
    return number if abs(number) <= _GREATEST else math.nan
