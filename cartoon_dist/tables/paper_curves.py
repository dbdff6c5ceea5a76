"""How the tables' runs went: the distance and the losses by step, a line a row."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

import numpy as np

from cartoon_dist.report.charts import Chart
from cartoon_dist.report.curves import Series, in_words
from cartoon_dist.tables.paper_tables import ROWS, Result, Row

_LOSSES = {
    "loss/content": (
        "Loss: content",
        "Before its weight; of Table 1's rows, which look through the same layer of VGG.",
    ),
    "loss/adversarial_g": (
        "Loss: adversarial, of G",
        "Of Table 1's rows; CartoonGAN's own is a log loss (Eq 6), the others' LSGAN.",
    ),
}


def charts(results: Sequence[Result]) -> list[Chart]:
    """The charts that have something to show: the distance where more than one step is scored, and two losses."""
    name = results[0].metric if results else ""
    planned = [
        _chart(
            "distance",
            name,
            "Raw weights draw; a mean over the seeds.",
            _lines((one.row, one.course) for one in results),
        )
    ]
    for key, (title, note) in _LOSSES.items():
        lines = _lines((one.row, one.figures.get(key, {})) for one in results if 1 in one.row.tables)
        planned.append(_chart(key.replace("/", "-"), title, note, lines))
    return [chart for chart in planned if any(len(series.steps) > 1 for series in chart.series)]


def distances_by_step(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: each row's distance after each step that is scored of any; nothing where only ends are."""
    lines = _lines((one.row, one.course) for one in results)
    steps = sorted({int(step) for line in lines for step in line.steps})
    if len(steps) < 2:
        return [], []
    rows = []
    for line in lines:
        held = dict(zip(line.steps.astype(int).tolist(), line.values.tolist(), strict=True))
        rows.append([line.name, *(in_words(held[step]) if step in held else "–" for step in steps)])
    return ["step", *map(str, steps)], rows


def _lines(courses: Iterable[tuple[Row, Mapping[int, float]]]) -> list[Series]:
    """A row's mean over its seeds at the steps that all of them have."""
    held = list(courses)
    found = (_line(row.name, [course for of, course in held if of == row]) for row in ROWS)
    return [series for series in found if series is not None]


def _line(name: str, held: Iterable[Mapping[int, float]]) -> Series | None:
    courses = [course for course in held if course]
    if not courses:
        return None
    steps = sorted(set.intersection(*map(set, courses)))
    values = [mean(course[step] for course in courses) for step in steps]
    return Series(name=name, steps=np.array(steps, np.float64), values=np.array(values, np.float64))


def _chart(key: str, title: str, note: str, lines: Sequence[Series]) -> Chart:
    last = max((float(line.steps[-1]) for line in lines if len(line.steps)), default=0.0)
    return Chart(
        key=key,
        title=title,
        note=note,
        series=tuple(lines),
        last_step=last,
        warmup_steps=0.0,
        smoothed=key != "distance",
    )
