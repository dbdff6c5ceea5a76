"""Charts as SVG: every point where its value and step say, gaps left open, and all of it parses."""

import json
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cartoon_dist.report.charts import Chart, Level, layout
from cartoon_dist.report.curves import Series
from cartoon_dist.report.rendering import environment

LEFT, RIGHT, TOP, BOTTOM = 64, 452, 18, 192


def series(name: str, values: list[float], first: int = 1) -> Series:
    return Series(name, np.arange(first, first + len(values), dtype=np.float64), np.array(values, np.float64))


def chart(
    *lines: Series, last_step: float, warmup_steps: float = 0, smoothed: bool = False, levels: tuple[Level, ...] = ()
) -> Chart:
    return Chart(
        key="k", title="T < t", note="n", series=lines, last_step=last_step, warmup_steps=warmup_steps,
        smoothed=smoothed, levels=levels,
    )  # fmt: skip


def figure_of(chart: Chart) -> ET.Element:
    template = environment().get_template("chart.html.jinja")
    return ET.fromstring(str(template.make_module().line_chart(layout(chart))))


def plot(figure: ET.Element) -> ET.Element:
    svg = figure.find("svg")
    assert svg is not None
    return svg


def lines(figure: ET.Element) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (point.split(",") for point in line.attrib["points"].split())]
        for line in plot(figure).findall("polyline")
    ]


def test_points_lie_where_their_values_say() -> None:
    figure = figure_of(chart(series("a", [0.0, 0.5, 1.0], first=0), last_step=4))
    # Steps 0, 1, 2 of 4 across 388 units; 0, 0.5, 1 of an axis from 0 to 1 up 174.
    assert lines(figure) == [[(64.0, 192.0), (161.0, 105.0), (258.0, 18.0)]]
    assert [text.text for text in plot(figure).findall("text")] == ["0.0", "0.5", "1.0", "0", "1", "2", "3", "4"]


def test_gaps_stay_open_and_a_lone_value_is_a_dot() -> None:
    values = [1.0, 1.0, math.nan, 0.5, math.inf, 0.0, 1.0]
    figure = figure_of(chart(series("a", values), last_step=7))
    assert [len(line) for line in lines(figure)] == [2, 2]
    [dot] = plot(figure).findall("circle")
    assert float(dot.attrib["cx"]) == pytest.approx(LEFT + 388 * 4 / 7, abs=0.05)
    assert float(dot.attrib["cy"]) == 105


def test_a_noisy_series_is_drawn_faint_under_its_mean() -> None:
    noisy = series("a", [float(index % 2) for index in range(50)])
    figure = figure_of(chart(noisy, series("b", [0.5] * 5), last_step=50, smoothed=True))
    assert [line.attrib["class"] for line in plot(figure).findall("polyline")] == ["c0 faint", "c0", "c1"]
    middle = [y for _, y in lines(figure)[1][10:40]]
    assert max(middle) - min(middle) < 174 / 2.9  # of three alternating values the mean is 1/3 or 2/3
    assert lines(figure)[1][0] == lines(figure)[0][0]


def test_the_warmup_is_shaded_to_its_last_step() -> None:
    figure = figure_of(chart(series("a", [1.0] * 8), last_step=8, warmup_steps=2))
    rect = plot(figure).find("g/rect")
    assert rect is not None
    assert (rect.attrib["x"], rect.attrib["width"]) == ("64", "97")
    assert [text.text for text in plot(figure).findall("g/text")] == ["warm-up"]
    assert plot(figure_of(chart(series("a", [1.0]), last_step=8))).find("g") is None


def test_levels_have_room_on_the_axis_and_a_place_in_the_legend() -> None:
    figure = figure_of(chart(series("a", [0.1, 0.2]), last_step=2, levels=(Level("one map", 0.4),)))
    [level] = [line for line in plot(figure).findall("line") if line.attrib["class"].startswith("level")]
    assert float(level.attrib["y1"]) == TOP
    assert "one map 0.4" in ["".join(item.itertext()) for item in figure.findall("ul/li")]


def test_it_can_be_read_without_seeing_it() -> None:
    figure = figure_of(chart(series("a", [3.0, 1.0, 2.0]), series("b", [5.0]), last_step=3))
    texts = {item.attrib["id"]: "".join(item.itertext()) for item in figure.iter() if "id" in item.attrib}
    svg = plot(figure)
    assert svg.attrib["role"] == "img"
    assert texts[svg.attrib["aria-labelledby"]] == "T < t"
    assert texts[svg.attrib["aria-describedby"]] == (
        "a: 2 after step 3, between 1 and 3 over the run. b: 5 after step 1. "
    )
    assert ["".join(item.itertext()) for item in figure.findall("ul/li")] == ["a 2", "b 5", ""]


def test_the_script_gets_the_values_that_are_drawn() -> None:
    figure = figure_of(chart(series("a", [0.123456, math.nan]), last_step=2))
    readout = json.loads(figure.findtext("script", ""))
    assert readout == {"left": LEFT, "right": RIGHT, "high": 2, "series": [{"steps": [1, 2], "values": [0.1235, None]}]}


@settings(deadline=None)
@example(values=[[0.0, 5e-324]], warmup_steps=0.0, smoothing="raw")
@given(
    st.lists(
        st.lists(st.floats(-1e90, 1e90) | st.sampled_from([math.nan, math.inf]), min_size=1, max_size=700),
        min_size=1,
        max_size=8,
    ),
    st.floats(0, 1000),
    st.sampled_from(["raw", "smoothed"]),
)
def test_whatever_the_values_it_parses_and_stays_inside(
    values: list[list[float]], warmup_steps: float, smoothing: str
) -> None:
    lines_drawn = [series(f"<{index}&", one) for index, one in enumerate(values)]
    last = max(len(one) for one in values)
    figure = figure_of(chart(*lines_drawn, last_step=last, warmup_steps=warmup_steps, smoothed=smoothing == "smoothed"))
    for x, y in (point for line in lines(figure) for point in line):
        assert LEFT <= x <= RIGHT
        assert TOP <= y <= BOTTOM
    rect = plot(figure).find("g/rect")
    assert rect is None or float(rect.attrib["width"]) <= RIGHT - LEFT
