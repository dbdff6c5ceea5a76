"""Line charts as SVG: no library, colours left to the page's style, figures left to the page's script."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cartoon_dist.report.curves import (
    Axis,
    Series,
    Values,
    in_words,
    runs_of_finite,
    smooth,
    step_axis,
    thin,
    value_axis,
)
from cartoon_dist.report.markup import Html, data, join, tag

WIDTH, HEIGHT = 460, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 452, 18, 192
_COLOURS = 6
_SMOOTHED_FROM = 25
"""A shorter series is drawn as it is: there is no noise to look through."""


@dataclass(frozen=True)
class Level:
    """A horizontal line to compare with."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Some figures over the run that share an axis; the steps up to `warmup_steps` are shaded."""

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


def draw(chart: Chart) -> Html:
    """A chart as a figure: heading, legend with the last values, the drawing, and the same in words."""
    across, up = chart.axes()
    heading, words = f"{chart.key}-title", f"{chart.key}-words"
    picture = tag(
        "svg",
        _warmup(across, chart.warmup_steps),
        *_grid(across, up),
        *(_level(level, number, up) for number, level in enumerate(chart.levels)),
        *(
            part
            for number, series in enumerate(chart.series)
            for part in _lines(series, number, across, up, smoothed=chart.smoothed)
        ),
        tag("line", class_="cursor", y1=_TOP, y2=_BOTTOM, visibility="hidden"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        tabindex="0",
        aria_labelledby=heading,
        aria_describedby=words,
    )
    return tag(
        "figure",
        tag("h3", chart.title, id=heading),
        tag("p", chart.note, class_="note"),
        _legend(chart),
        picture,
        tag("figcaption", _in_words(chart), id=words),
        data(_figures(chart, across)),
        class_="chart",
        id=chart.key,
    )


def _figures(chart: Chart, across: Axis) -> dict[str, object]:
    """What the script needs to read a value out: where the plot lies and its points."""
    series = []
    for one in chart.series:
        steps, values = thin(one.steps, one.values)
        series.append({"steps": steps.tolist(), "values": [float(f"{value:.4g}") for value in values]})
    return {"left": _LEFT, "right": _RIGHT, "high": across.high, "series": series}


def _x(across: Axis, steps: Values) -> Values:
    return np.asarray(_LEFT + across.place(steps) * (_RIGHT - _LEFT), np.float64)


def _y(up: Axis, values: Values) -> Values:
    return np.asarray(_BOTTOM - up.place(values) * (_BOTTOM - _TOP), np.float64)


def _grid(across: Axis, up: Axis) -> Iterable[Html]:
    for words, y in zip(up.words(), _y(up, np.array(up.ticks)), strict=True):
        yield tag("line", class_="grid", x1=_LEFT, x2=_RIGHT, y1=_short(y), y2=_short(y))
        yield tag("text", words, class_="tick", x=_LEFT - 6, y=_short(y + 4), text_anchor="end")
    for words, x in zip(across.words(), _x(across, np.array(across.ticks)), strict=True):
        yield tag("line", class_="grid", x1=_short(x), x2=_short(x), y1=_BOTTOM, y2=_BOTTOM + 4)
        yield tag("text", words, class_="tick", x=_short(x), y=_BOTTOM + 18, text_anchor="middle")


def _warmup(across: Axis, steps: float) -> Html | None:
    if steps <= 0:
        return None
    end = float(_x(across, np.array([min(steps, across.high)]))[0])
    return tag(
        "g",
        tag("rect", x=_LEFT, y=_TOP, width=_short(end - _LEFT), height=_BOTTOM - _TOP),
        tag("text", "warm-up", x=_LEFT, y=_TOP - 5) if end - _LEFT > 60 else None,
        class_="warmup",
    )


def _level(level: Level, number: int, up: Axis) -> Html:
    y = _short(_y(up, np.array([level.value]))[0])
    return tag("line", class_=f"level l{number % 2}", x1=_LEFT, x2=_RIGHT, y1=y, y2=y)


def _lines(series: Series, number: int, across: Axis, up: Axis, *, smoothed: bool) -> Iterable[Html]:
    """The series as lines between its gaps; a noisy one faint, with its smoothed self over it."""
    colour = f"c{number % _COLOURS}"
    eased = smoothed and len(series.finite()) >= _SMOOTHED_FROM
    yield from _line(series.steps, series.values, across, up, f"{colour} faint" if eased else colour)
    if eased:
        yield from _line(series.steps, smooth(series.values), across, up, colour)


def _line(steps: Values, values: Values, across: Axis, up: Axis, class_: str) -> Iterable[Html]:
    steps, values = thin(steps, values)
    for stretch in runs_of_finite(values):
        x, y = _x(across, steps[stretch]), _y(up, values[stretch])
        if len(x) == 1:
            yield tag("circle", class_=class_, cx=_short(x[0]), cy=_short(y[0]), r=3)
        else:
            points = " ".join(f"{_short(a)},{_short(b)}" for a, b in zip(x, y, strict=True))
            yield tag("polyline", class_=class_, points=points)


def _legend(chart: Chart) -> Html:
    keys = []
    for number, series in enumerate(chart.series):
        last = series.last()
        keys.append(_key(f"c{number % _COLOURS}", series.name, tag("b", in_words(last[1]) if last else "no value")))
    for number, level in enumerate(chart.levels):
        keys.append(_key(f"level l{number % 2}", level.name, in_words(level.value)))
    return tag("ul", *keys, tag("li", class_="at"), class_="legend")


def _key(class_: str, name: str, value: str) -> Html:
    stroke = tag("line", class_=class_, x1=0, x2=26, y1=6, y2=6)
    return tag("li", tag("svg", stroke, viewBox="0 0 26 12", aria_hidden="true"), name, " ", value)


def _in_words(chart: Chart) -> Html:
    return join(*(tag("span", sentence) for sentence in _sentences(chart.series)))


def _sentences(series: Sequence[Series]) -> Iterable[str]:
    for one in series:
        last, finite = one.last(), one.finite()
        if last is None:
            yield f"{one.name}: no value. "
        elif len(finite) == 1:
            yield f"{one.name}: {in_words(last[1])} after step {last[0]:,.0f}. "
        else:
            low, high = in_words(float(finite.min())), in_words(float(finite.max()))
            over = f"between {low} and {high} over the run" if low != high else "as all along"
            yield f"{one.name}: {in_words(last[1])} after step {last[0]:,.0f}, {over}. "


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
