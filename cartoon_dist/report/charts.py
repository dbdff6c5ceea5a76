"""Line charts: where each part of a chart lies in its SVG. The template draws it, and the page's style colours it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cartoon_dist.report.curves import (
    Axis,
    Series,
    Values,
    downsample,
    finite_segments,
    format_value,
    smooth,
    step_axis,
    value_axis,
)

_NUM_COLOURS = 6
_NUM_LEVEL_STYLES = 2
_SMOOTHED_FROM = 25
"""A shorter series is drawn as it is: there is no noise to look through."""
_MIN_LABELLED_WIDTH = 60
"""A narrower warm-up has no room for its label."""


class PlotArea(NamedTuple):
    """The size of a chart's SVG and the edges of the plot in it, in the SVG's units."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int

    def x(self, axis: Axis, steps: Values) -> Values:
        """Where steps lie."""
        return np.asarray(self.left + axis.to_unit(steps) * (self.right - self.left), np.float64)

    def y(self, axis: Axis, values: Values) -> Values:
        """Where values lie."""
        return np.asarray(self.bottom - axis.to_unit(values) * (self.bottom - self.top), np.float64)


PLOT = PlotArea(width=460, height=220, left=64, right=452, top=18, bottom=192)


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Some metrics over the run that share an axis; the steps up to `warmup_steps` are shaded."""

    key: str
    title: str
    note: str
    series: tuple[Series, ...]
    last_step: float
    warmup_steps: float
    smoothed: bool
    levels: tuple[Level, ...] = ()

    def axes(self) -> tuple[Axis, Axis]:
        """The steps' axis and the values'."""
        levels = np.array([level.value for level in self.levels], np.float64)
        return step_axis(self.last_step), value_axis(np.concatenate([*(one.values for one in self.series), levels]))


class Tick(NamedTuple):
    """A tick of an axis: its label, where it lies, and where the label's baseline does."""

    label: str
    place: str
    label_place: str


class LegendEntry(NamedTuple):
    """A line of the legend; a series' value follows the pointer, a level's does not."""

    css_class: str
    name: str
    value: str
    is_series: bool


class Polyline(NamedTuple):
    """The points of a series between two gaps, as SVG writes them."""

    css_class: str
    points: str


class Dot(NamedTuple):
    """A value between two gaps, which a line would not show."""

    css_class: str
    x: str
    y: str


@dataclass(frozen=True, kw_only=True)
class ChartLayout:
    """What the template draws. readout: what the page's script needs to show the values at the pointer."""

    key: str
    title: str
    note: str
    plot: PlotArea
    warmup_width: str | None
    is_warmup_labelled: bool
    value_ticks: list[Tick]
    step_ticks: list[Tick]
    level_lines: list[tuple[str, str]]
    marks: list[Polyline | Dot]
    legend: list[LegendEntry]
    sentences: list[str]
    readout: dict[str, Any]


def layout(chart: Chart) -> ChartLayout:
    """Where the parts of a chart lie, its legend with the last values, and the same in words."""
    across, up = chart.axes()
    warmup = _warmup_width(across, chart.warmup_steps)
    return ChartLayout(
        key=chart.key,
        title=chart.title,
        note=chart.note,
        plot=PLOT,
        warmup_width=None if warmup is None else _coordinate(warmup),
        is_warmup_labelled=warmup is not None and warmup > _MIN_LABELLED_WIDTH,
        value_ticks=_value_ticks(up),
        step_ticks=_step_ticks(across),
        level_lines=[
            (_level_class(index), _coordinate(PLOT.y(up, np.array([level.value]))[0]))
            for index, level in enumerate(chart.levels)
        ],
        marks=[
            mark
            for index, series in enumerate(chart.series)
            for mark in _marks(series, _series_class(index), across, up, smoothed=chart.smoothed)
        ],
        legend=_legend(chart),
        sentences=list(_sentences(chart.series)),
        readout={"left": PLOT.left, "right": PLOT.right, "high": across.high, "series": _points(chart.series)},
    )


def _points(series: Sequence[Series]) -> list[dict[str, list[float]]]:
    downsampled = (downsample(one.steps, one.values) for one in series)
    return [
        {"steps": steps.tolist(), "values": [float(f"{value:.4g}") for value in values]}
        for steps, values in downsampled
    ]


def _value_ticks(up: Axis) -> list[Tick]:
    places = PLOT.y(up, np.array(up.ticks))
    return [Tick(label, _coordinate(y), _coordinate(y + 4)) for label, y in zip(up.tick_labels(), places, strict=True)]


def _step_ticks(across: Axis) -> list[Tick]:
    places = PLOT.x(across, np.array(across.ticks))
    return [Tick(label, _coordinate(x), _coordinate(x)) for label, x in zip(across.tick_labels(), places, strict=True)]


def _warmup_width(across: Axis, steps: float) -> float | None:
    if steps <= 0:
        return None
    return float(PLOT.x(across, np.array([min(steps, across.high)]))[0]) - PLOT.left


def _series_class(index: int) -> str:
    return f"c{index % _NUM_COLOURS}"


def _level_class(index: int) -> str:
    return f"level l{index % _NUM_LEVEL_STYLES}"


def _marks(series: Series, css_class: str, across: Axis, up: Axis, *, smoothed: bool) -> Iterable[Polyline | Dot]:
    """The series as lines between its gaps; a noisy one faint, with its smoothed values over it."""
    has_smoothed = smoothed and len(series.finite_values()) >= _SMOOTHED_FROM
    yield from _segments(series.steps, series.values, across, up, f"{css_class} faint" if has_smoothed else css_class)
    if has_smoothed:
        yield from _segments(series.steps, smooth(series.values), across, up, css_class)


def _segments(steps: Values, values: Values, across: Axis, up: Axis, css_class: str) -> Iterable[Polyline | Dot]:
    steps, values = downsample(steps, values)
    for segment in finite_segments(values):
        x, y = PLOT.x(across, steps[segment]), PLOT.y(up, values[segment])
        if len(x) == 1:
            yield Dot(css_class, _coordinate(x[0]), _coordinate(y[0]))
        else:
            points = (f"{_coordinate(a)},{_coordinate(b)}" for a, b in zip(x, y, strict=True))
            yield Polyline(css_class, " ".join(points))


def _legend(chart: Chart) -> list[LegendEntry]:
    entries = []
    for index, series in enumerate(chart.series):
        last = series.last_finite()
        value = format_value(last[1]) if last else "no value"
        entries.append(LegendEntry(_series_class(index), series.name, value, is_series=True))
    for index, level in enumerate(chart.levels):
        entries.append(LegendEntry(_level_class(index), level.name, format_value(level.value), is_series=False))
    return entries


def _sentences(series: Sequence[Series]) -> Iterable[str]:
    for one in series:
        last, finite = one.last_finite(), one.finite_values()
        if last is None:
            yield f"{one.name}: no value. "
        elif len(finite) == 1:
            yield f"{one.name}: {format_value(last[1])} after step {last[0]:,.0f}. "
        else:
            low, high = format_value(float(finite.min())), format_value(float(finite.max()))
            over = f"between {low} and {high} over the run" if low != high else "as all along"
            yield f"{one.name}: {format_value(last[1])} after step {last[0]:,.0f}, {over}. "


def _coordinate(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
