"""The distance and the losses of the tables' runs by step, a line for each row of the tables."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

import numpy as np

from cartoon_dist.report.charts import Chart
from cartoon_dist.report.curves import Series, format_value
from cartoon_dist.tables.paper_tables import ROWS, PaperRow, RowResult

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


def charts_of_results(results: Sequence[RowResult]) -> list[Chart]:
    """The charts that have something to show: the distance where more than one step is scored, and two losses."""
    name = results[0].metric if results else ""
    candidates = [
        _chart(
            "distance",
            name,
            "Raw weights draw; a mean over the seeds.",
            _lines((one.row, one.distances) for one in results),
        )
    ]
    for key, (title, note) in _LOSSES.items():
        lines = _lines((one.row, one.losses.get(key, {})) for one in results if 1 in one.row.tables)
        candidates.append(_chart(key.replace("/", "-"), title, note, lines))
    return [chart for chart in candidates if any(len(series.steps) > 1 for series in chart.series)]


def distances_by_step(results: Sequence[RowResult]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: each row's distance after each step that is scored of any; nothing where only ends are."""
    lines = _lines((one.row, one.distances) for one in results)
    steps = sorted({int(step) for line in lines for step in line.steps})
    if len(steps) < 2:
        return [], []
    rows = []
    for line in lines:
        by_step = dict(zip(line.steps.astype(int).tolist(), line.values.tolist(), strict=True))
        rows.append([line.name, *(format_value(by_step[step]) if step in by_step else "–" for step in steps)])
    return ["step", *map(str, steps)], rows


def _lines(values_by_step: Iterable[tuple[PaperRow, Mapping[int, float]]]) -> list[Series]:
    """A row's mean over its seeds at the steps that all of them have."""
    pairs = list(values_by_step)
    lines = (_line(row.name, [values for other, values in pairs if other == row]) for row in ROWS)
    return [line for line in lines if line is not None]


def _line(name: str, seeds: Iterable[Mapping[int, float]]) -> Series | None:
    values_by_step = [values for values in seeds if values]
    if not values_by_step:
        return None
    steps = sorted(set.intersection(*map(set, values_by_step)))
    values = [mean(values[step] for values in values_by_step) for step in steps]
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
