"""The numbers behind charts, against worked ones and slow obvious versions."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cartoon_dist.report import curves
from cartoon_dist.report.curves import Axis, Series

VALUES = st.lists(st.floats(-1e9, 1e9, allow_subnormal=False) | st.just(math.nan) | st.just(math.inf), max_size=60)


def array(values: list[float]) -> curves.Values:
    return np.array(values, np.float64)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.2, 0.9], (0.0, 0.5, 1.0)),
        ([2.85, 3.449], (2.8, 3.0, 3.2, 3.4, 3.6)),
        ([-0.0093, 0.7096], (-0.2, 0.0, 0.2, 0.4, 0.6, 0.8)),
        ([2e-4, 1e-3], (0.0, 5e-4, 1e-3)),
        ([0.1, 30.0], (0.1, 1.0, 10.0, 100.0)),  # more than a factor of 200: powers of ten
        ([0.25, math.nan, 0.25], (0.0, 0.1, 0.2, 0.3)),
        ([-3.0], (-3.0, -2.0, -1.0, 0.0)),
        ([0.0, 0.0], (0.0, 0.5, 1.0)),
        ([], (0.0, 0.5, 1.0)),
        ([math.inf], (0.0, 0.5, 1.0)),
    ],
)
def test_axes_of_values_by_hand(values: list[float], ticks: tuple[float, ...]) -> None:
    assert curves.value_axis(array(values)).ticks == pytest.approx(ticks)


@given(VALUES)
def test_every_value_lies_on_its_axis(values: list[float]) -> None:
    axis = curves.value_axis(array(values))
    assert 2 <= len(axis.ticks) <= 9
    assert all(a < b for a, b in zip(axis.ticks[:-1], axis.ticks[1:], strict=True))
    places = axis.to_unit(array([value for value in values if math.isfinite(value)]))
    assert ((places >= -1e-9) & (places <= 1 + 1e-9)).all()
    assert axis.to_unit(array([axis.low, axis.high])).tolist() == [0.0, 1.0]
    assert len(axis.tick_labels()) == len(axis.ticks)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
@example(524288.4375, 0.03125, 4)
def test_ticks_are_multiples_of_1_2_or_5_and_hold_the_range(low: float, width: float, about: int) -> None:
    high = low + width
    ticks = curves.round_ticks(low, high, about=about)
    apart = ticks[1] - ticks[0]
    assert ticks[0] <= low + 1e-6 * apart
    assert ticks[-1] >= high - 1e-6 * apart
    assert ticks[1] > low - 1e-6 * apart  # none too many at either end
    assert ticks[-2] < high + 1e-6 * apart
    # The difference of two large ticks is rounded: up to a millionth of it.
    leading = apart / 10 ** math.floor(math.log10(apart) + 1e-5)
    assert min(abs(leading - whole) for whole in (1, 2, 5)) < 1e-3


def test_the_axis_of_steps_ends_at_the_last_one() -> None:
    axis = curves.step_axis(1940)
    assert (axis.low, axis.high, axis.ticks) == (0.0, 1940, (0.0, 500.0, 1000.0, 1500.0))
    assert axis.tick_labels() == ["0", "500", "1,000", "1,500"]
    assert axis.to_unit(array([485])).tolist() == [0.25]
    assert curves.step_axis(0).high == 1.0


def test_a_logarithmic_axis_gives_each_power_the_same_room() -> None:
    axis = Axis(0.1, 100.0, (0.1, 1.0, 10.0, 100.0), logarithmic=True)
    assert axis.to_unit(array([0.1, 1, 10, 100])) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert axis.tick_labels() == ["0.1", "1", "10", "100"]


@given(VALUES)
def test_smoothing_is_the_mean_of_the_window_that_fits(values: list[float]) -> None:
    half = max(1, round(len(values) * 0.04 / 2))
    expected = []
    for here, value in enumerate(values):
        reach = min(half, here, len(values) - 1 - here)
        window = [near for near in values[here - reach : here + reach + 1] if math.isfinite(near)]
        expected.append(sum(window) / len(window) if math.isfinite(value) else math.nan)
    assert curves.smooth(array(values)) == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_a_window_is_a_twenty_fifth() -> None:
    values = np.zeros(100)
    values[50] = 1.0
    smoothed = curves.smooth(values)
    assert np.flatnonzero(smoothed).tolist() == [48, 49, 50, 51, 52]
    assert smoothed[50] == pytest.approx(0.2)


def test_a_long_series_keeps_its_spikes_and_ends() -> None:
    values = np.sin(np.arange(100_000) / 9000)
    values[[777, 50_000, 99_998]] = [9.0, -9.0, 7.0]
    values[30_000:32_000] = np.nan
    steps = np.arange(100_000) * 10.0
    kept_steps, kept = curves.downsample(steps, values)
    assert len(kept) <= 2 * curves.NUM_BUCKETS + 2
    assert {9.0, -9.0, 7.0, values[0], values[-1]} <= set(kept.tolist())
    assert (np.diff(kept_steps) > 0).all()
    assert np.array_equal(values[(kept_steps / 10).astype(int)], kept, equal_nan=True)
    assert len(curves.finite_segments(kept)) == 2  # the gap is still one
    for start in range(0, 100_000, 1000):  # each stretch of two buckets still has its extremes
        whole, part = (
            values[start : start + 1000],
            kept[(kept_steps >= start * 10) & (kept_steps < start * 10 + 10_000)],
        )
        if np.isfinite(whole).all():
            assert whole.max() - part.max() < 0.1
            assert part.min() - whole.min() < 0.1


def test_a_short_series_is_left_as_it_is() -> None:
    values = np.arange(2.0 * curves.NUM_BUCKETS)
    assert curves.downsample(values, values)[1] is values


@given(st.lists(st.sampled_from([1.0, math.nan, math.inf]), max_size=30))
def test_stretches_between_gaps(values: list[float]) -> None:
    expected: list[list[int]] = []
    for place, value in enumerate(values):
        if math.isfinite(value):
            if place and math.isfinite(values[place - 1]):
                expected[-1].append(place)
            else:
                expected.append([place])
    segments = [list(range(segment.start, segment.stop)) for segment in curves.finite_segments(array(values))]
    assert segments == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0871412, "0.08714"),
        (1940.0, "1,940"),
        (15520.4, "15,520"),
        (0.0002, "0.0002"),
        (2e-5, "2e-5"),
        (1.234e-12, "1.23e-12"),
        (-2.5e8, "-2.5e8"),
        (0.0, "0"),
        (3.0, "3"),
        (math.nan, "not a number"),
        (math.inf, "inf"),
    ],
)
def test_values_format_value(value: float, words: str) -> None:
    assert curves.format_value(value) == words


@pytest.mark.parametrize(
    ("ticks", "words"),
    [
        ((0.0, 0.5, 1.0), ["0.0", "0.5", "1.0"]),
        ((0.0, 20_000.0, 40_000.0), ["0", "20k", "40k"]),
        ((0.0, 5e-4, 1e-3), ["0", "0.0005", "0.001"]),
        ((0.0, 2e-5), ["0", "2e-5"]),
        ((2.8, 3.0), ["2.8", "3.0"]),
        ((0.0, 2_000.0), ["0", "2,000"]),
    ],
)
def test_ticks_format_value(ticks: tuple[float, ...], words: list[str]) -> None:
    assert curves.format_ticks(ticks) == words


def test_the_last_value_of_a_series() -> None:
    series = Series("a", array([1, 2, 3]), array([0.5, 0.25, math.nan]))
    assert series.last_finite() == (2.0, 0.25)
    assert series.finite_values().tolist() == [0.5, 0.25]
    assert Series("a", array([1]), array([math.nan])).last_finite() is None
