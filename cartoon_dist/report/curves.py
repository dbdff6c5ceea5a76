"""The numbers behind a chart: round ticks, a smoothed line, and long series made short without losing a spike."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

NUM_BUCKETS = 240
"""How many buckets a long series is cut into; each keeps its least and its greatest value."""
_WINDOW_SHARE = 0.04
_LOG_RATIO = 200.0
_SMALLEST = 1e-100
"""What is smaller counts as 0: axes would run out of digits."""


@dataclass(frozen=True)
class Series:
    """A metric over the run: its value after each of some steps; a value that is not finite is a gap."""

    name: str
    steps: Values
    values: Values

    def finite_values(self) -> Values:
        """The values that can be drawn."""
        return self.values[np.isfinite(self.values)]

    def last_finite(self) -> tuple[float, float] | None:
        """The last step with a value that can be drawn, and that value."""
        finite = np.flatnonzero(np.isfinite(self.values))
        return (float(self.steps[finite[-1]]), float(self.values[finite[-1]])) if len(finite) else None


@dataclass(frozen=True)
class Axis:
    """From values to the unit interval, and where its ticks are."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def to_unit(self, values: Values) -> Values:
        """Where the values lie, 0 at the low end and 1 at the high end."""
        scale = np.log10 if self.logarithmic else np.asarray
        low, high = float(scale(self.low)), float(scale(self.high))
        return np.asarray((scale(values) - low) / (high - low), np.float64)

    def tick_labels(self) -> list[str]:
        """What stands at the ticks."""
        if self.logarithmic:
            return [f"{tick:g}".replace("e-0", "e-").replace("e+0", "e") for tick in self.ticks]
        return format_ticks(self.ticks)


def value_axis(values: Values) -> Axis:
    """An axis that holds all finite values and ends on ticks; logarithmic where positive values span more than a
    factor of 200. Values that differ by less than a float can tell apart get an axis that begins or ends at 0."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Axis(0.0, 1.0, (0.0, 0.5, 1.0))
    low, high = (0.0 if abs(end) < _SMALLEST else float(end) for end in (finite.min(), finite.max()))
    if low > 0 and high / low > _LOG_RATIO:
        return _log_axis(low, high)
    if high - low < 1e-9 * max(-low, high):
        low, high = min(low, 0.0), max(high, 0.0)
    if 0 <= low < 0.6 * high:
        low = 0.0
    if low == high:
        high = low + 1.0
    ticks = round_ticks(low, high, about=4)
    return Axis(ticks[0], ticks[-1], ticks)


def step_axis(last: float) -> Axis:
    """The axis of steps, from 0 to the last one; its ticks lie inside."""
    high = max(last, 1.0)
    ticks = tuple(tick for tick in round_ticks(0.0, high, about=5) if tick <= high)
    return Axis(0.0, high, ticks)


def round_ticks(low: float, high: float, *, about: int) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten, about so many, from at or below `low` to at or above `high`."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    width = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / width + 1e-9), math.ceil(high / width - 1e-9)
    # Rounded to the width's own digits, so that 3 * 0.1 is 0.3.
    digits = max(0, 1 - math.floor(math.log10(width)))
    return tuple(round(multiple * width, digits) for multiple in range(first, last + 1))


def _log_axis(low: float, high: float) -> Axis:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, math.ceil((last - first) / 5))
    return Axis(
        10.0**first, 10.0**last, tuple(10.0**power for power in range(first, last + 1, stride)), logarithmic=True
    )


def smooth(values: Values) -> Values:
    """A centred mean over a twenty-fifth of the series; it narrows towards the ends, and gaps stay gaps."""
    half = max(1, round(len(values) * _WINDOW_SHARE / 2))
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    here = np.arange(len(values))
    reach = np.minimum(half, np.minimum(here, len(values) - 1 - here))
    left, right = here - reach, here + reach + 1
    means = (sums[right] - sums[left]) / np.maximum(counts[right] - counts[left], 1)
    return np.where(finite, means, np.nan)


def downsample(steps: Values, values: Values) -> tuple[Values, Values]:
    """At most two points for each of 240 buckets, the least and the greatest, in their order; gaps stay gaps."""
    if len(values) <= 2 * NUM_BUCKETS:
        return steps, values
    finite = np.isfinite(values)
    for_least, for_greatest = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
    edges = np.linspace(0, len(values), NUM_BUCKETS + 1).astype(int).tolist()
    kept: list[int] = []
    for start, end in pairwise(edges):
        if finite[start:end].any():
            kept += [start + int(for_least[start:end].argmin()), start + int(for_greatest[start:end].argmax())]
        else:
            kept.append(start)
    kept = sorted({0, *kept, len(values) - 1})
    return steps[kept], values[kept]


def finite_segments(values: Values) -> list[slice]:
    """The segments between gaps, as slices."""
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    turns = np.flatnonzero(finite[1:] != finite[:-1])
    return [slice(int(start), int(end)) for start, end in zip(turns[::2], turns[1::2], strict=True)]


def format_value(value: float) -> str:
    """A value for people: four digits, thousands set apart."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else f"{value}"
    if value and not 1e-4 <= abs(value) < 1e7:
        digits, power = f"{value:.2e}".split("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def format_ticks(ticks: Sequence[float]) -> list[str]:
    """Ticks of one axis, all with the same number of digits; thousands as `20k`, the very small as `2e-4`."""
    largest = max((abs(tick) for tick in ticks), default=0.0)
    if largest >= 10_000 and all(tick % 1000 == 0 for tick in ticks):
        return [f"{tick / 1000:,.0f}k" if tick else "0" for tick in ticks]
    if 0 < largest < 1e-2 or largest >= 1e6:
        return [f"{tick:.2g}".replace("e-0", "e-").replace("e+0", "e") if tick else "0" for tick in ticks]
    apart = min((b - a for a, b in pairwise(ticks)), default=1.0)
    digits = max(0, -math.floor(math.log10(apart) + 1e-9))
    return [f"{tick:,.{digits}f}" for tick in ticks]
