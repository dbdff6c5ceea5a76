"""The paper's two tables with our numbers beside its own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean, stdev, variance

from cartoon_dist.report.charts import Chart, layout
from cartoon_dist.report.curves import format_value
from cartoon_dist.report.rendering import asset, environment


@dataclass(frozen=True)
class PaperRow:
    """A row of Table 1 or 2: its name there, the config that makes it, and the paper's FIDs by style."""

    name: str
    key: str
    config: str
    tables: tuple[int, ...]
    paper: Mapping[str, float]


ROWS = (
    PaperRow("CartoonGAN", "cartoongan", "ablation/cartoongan", (1,), {"Hayao": 175.65, "Shinkai": 161.33}),
    PaperRow("CartoonGAN+Sal", "sal", "ablation/sal", (1,), {"Hayao": 169.24, "Shinkai": 155.65}),
    PaperRow("CartoonGAN+Sal+Cbam", "sal_cbam", "ablation/sal_cbam", (1,), {"Hayao": 165.77, "Shinkai": 152.87}),
    PaperRow("White-box", "whitebox", "baseline/whitebox", (2,), {"Hayao": 171.78, "Shinkai": 156.47}),
    PaperRow("AnimeGAN", "animegan", "baseline/animegan", (2,), {"Hayao": 167.42, "Shinkai": 151.84}),
    PaperRow(
        "CartoonGAN+Ressal+Cbam", "ressal_cbam", "ablation/ressal_cbam", (1, 2), {"Hayao": 162.54, "Shinkai": 149.71}
    ),
)
"""In the order of the tables, the paper's method last."""
TableCells = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads and rows of a table."""
STYLES = ("Hayao", "Shinkai")
_METRIC_NAMES = {
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "lpips": "LPIPS",
    "lpips_salient": "LPIPS, salient",
}


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """One trained run of a row: its scores by metric, the first of them the distance, and what it cost.

    distances: after each step that is scored. losses: by name, a loss after each step.
    """

    row: PaperRow
    seed: int
    scores: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)
    images: int
    seconds: float
    parameters: int
    gmac: float
    distances: Mapping[int, float] = field(default_factory=dict)
    losses: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The distance's name."""
        return next(iter(self.scores))


def render_markdown(results: Sequence[RowResult], facts: Sequence[str], distances: TableCells = ((), ())) -> str:
    """Both tables, what they were made with, and the distances by step where those are known."""
    parts = ["# The paper's tables", *(line for fact in facts for line in ("", fact))]
    for number in (1, 2):
        heads, rows = table(results, number)
        parts += ["", f"## Table {number}", "", *_markdown_lines(heads, rows)]
    parts += ["", verdict(results), ""]
    if distances[1]:
        parts += ["## The distance after steps", "", *_markdown_lines(*distances), ""]
    return "\n".join(parts)


def render_html(results: Sequence[RowResult], facts: Sequence[str], *, grid: str, charts: Sequence[Chart] = ()) -> str:
    """The same as a page that opens anywhere. grid: a picture as a data: URL, empty where there is none."""
    tables = []
    for number in (1, 2):
        heads, rows = table(results, number)
        tables.append({"number": number, "heads": heads, "rows": rows})
    return (
        environment("cartoon_dist.tables")
        .get_template("tables.html.jinja")
        .render(
            style=asset("page.css"),
            facts=facts,
            tables=tables,
            verdict=verdict(results),
            grid=grid,
            charts=[layout(chart) for chart in charts],
        )
    )


def table(results: Sequence[RowResult], number: int) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of Table 1 or 2; a row that was not trained has the paper's numbers alone."""
    metric = results[0].metric if results else "score"
    metrics = [key for key in _METRIC_NAMES if any(key in result.scores for result in results)]
    heads = ["", *(f"{style}, paper's FID" for style in STYLES), f"{metric}, here", "seeds"]
    heads += [*(_METRIC_NAMES[key] for key in metrics), "images seen", "minutes", "parameters", "GMAC"]
    rows = []
    for row in ROWS:
        if number in row.tables:
            papers = [f"{row.paper[style]:.2f}" for style in STYLES]
            rows.append([row.name, *papers, *_cells(_of_row(results, row), metric, metrics)])
    return heads, rows


def verdict(results: Sequence[RowResult]) -> str:
    """Whether the order of Table 1 appears, is within noise, or does not: each step down, and all of it, against its
    scatter.

    A mean's scatter is the deviation over seeds, that of all rows with several seeds together as one row's few tell too
    little, over the root of their number; of a single seed, at least the score's own standard error.
    """
    sentences, missing = [], []
    rows = [row for row in ROWS if 1 in row.tables]
    deviation = _pooled_deviation(results)
    for before, after in [*pairwise(rows), (rows[0], rows[-1])]:
        pair = [_mean_and_scatter(_of_row(results, row), deviation) for row in (before, after)]
        name = f"{before.name} > {after.name}"
        if not all(map(math.isfinite, (pair[0][0], pair[1][0]))):
            missing.append(name)
            continue
        gap, noise = pair[0][0] - pair[1][0], math.hypot(pair[0][1], pair[1][1])
        answer = "holds" if gap > 2 * noise else "does not hold" if gap < -2 * noise else "is within noise"
        sentences.append(f"{name} {answer} ({gap:+.3g}, twice its scatter {2 * noise:.2g})")
    untrained = f"; not trained yet: {', '.join(missing)}" if missing else ""
    return f"The order of Table 1: {'; '.join(sentences) or 'nothing to compare'}{untrained}."


def _of_row(results: Sequence[RowResult], row: PaperRow) -> list[RowResult]:
    return [result for result in results if result.row == row]


def _pooled_deviation(results: Sequence[RowResult]) -> float:
    """How far a distance goes with the seed: over the rows that have several; 0 where none has."""
    rows = [[result.scores[result.metric] for result in _of_row(results, row)] for row in ROWS]
    several = [values for values in rows if len(values) > 1]
    degrees_of_freedom = sum(len(values) - 1 for values in several)
    squares = sum(variance(values) * (len(values) - 1) for values in several)
    return math.sqrt(squares / degrees_of_freedom) if several else 0.0


def _cells(results: Sequence[RowResult], metric: str, metrics: Sequence[str]) -> list[str]:
    if not results:
        return ["not trained yet", *["–"] * (len(metrics) + 5)]
    first = results[0]
    means = [format_value(mean(result.scores[key] for result in results if key in result.scores)) for key in metrics]
    seconds = mean(result.seconds for result in results)
    return [
        _with_deviation(results, metric),
        ", ".join(str(result.seed) for result in results),
        *means,
        f"{first.images:,}",
        f"{seconds / 60:.1f}",
        f"{first.parameters:,}",
        f"{first.gmac:.3g}",
    ]


def _with_deviation(results: Sequence[RowResult], metric: str) -> str:
    values, error = [result.scores[metric] for result in results], results[0].errors.get(metric)
    if len(values) > 1:
        return f"{mean(values):.2f} ± {stdev(values):.2f}"
    return f"{values[0]:.2f}" + (f" (standard error {error:.2g})" if error is not None else "")


def _mean_and_scatter(results: Sequence[RowResult], deviation: float) -> tuple[float, float]:
    """The mean of a row's distances, and its scatter. deviation: of a single run, as the rows show it."""
    if not results:
        return math.nan, math.nan
    values = [result.scores[result.metric] for result in results]
    if len(values) > 1:
        return mean(values), deviation / math.sqrt(len(values))
    return values[0], max(results[0].errors.get(results[0].metric, 0.0), deviation)


def _markdown_lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_markdown_line(heads), _markdown_line(["---"] * len(heads)), *map(_markdown_line, rows)]


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
