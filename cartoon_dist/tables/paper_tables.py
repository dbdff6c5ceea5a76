"""The paper's two tables with our numbers beside its own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean, stdev, variance

from cartoon_dist.report.curves import in_words
from cartoon_dist.report.markup import Html, join, tag


@dataclass(frozen=True)
class Row:
    """A row of Table 1 or 2: its name there, the config that makes it, and the paper's FIDs by style."""

    name: str
    key: str
    config: str
    tables: tuple[int, ...]
    paper: Mapping[str, float]


ROWS = (
    Row("CartoonGAN", "cartoongan", "ablation/cartoongan", (1,), {"Hayao": 175.65, "Shinkai": 161.33}),
    Row("CartoonGAN+Sal", "sal", "ablation/sal", (1,), {"Hayao": 169.24, "Shinkai": 155.65}),
    Row("CartoonGAN+Sal+Cbam", "sal_cbam", "ablation/sal_cbam", (1,), {"Hayao": 165.77, "Shinkai": 152.87}),
    Row("White-box", "whitebox", "baseline/whitebox", (2,), {"Hayao": 171.78, "Shinkai": 156.47}),
    Row("AnimeGAN", "animegan", "baseline/animegan", (2,), {"Hayao": 167.42, "Shinkai": 151.84}),
    Row("CartoonGAN+Ressal+Cbam", "ressal_cbam", "ablation/ressal_cbam", (1, 2), {"Hayao": 162.54, "Shinkai": 149.71}),
)
"""In the order of the tables, the paper's method last."""
Cells = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads and rows of a table."""
STYLES = ("Hayao", "Shinkai")
_SHOWN = {
    "kid": "KID",
    "precision": "precision",
    "recall": "recall",
    "lpips": "LPIPS",
    "lpips_salient": "LPIPS, salient",
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """One trained run of a row: its scores by metric, the first of them the distance, and what it cost.

    course: the distance after each step that is scored. figures: by name, a figure of training after each step.
    """

    row: Row
    seed: int
    scores: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)
    images: int
    seconds: float
    parameters: int
    gmac: float
    course: Mapping[int, float] = field(default_factory=dict)
    figures: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The distance's name."""
        return next(iter(self.scores))


def markdown(results: Sequence[Result], facts: Sequence[str], course: Cells = ((), ())) -> str:
    """Both tables, what they were made with, and how the distance went where that is known: heads and rows."""
    parts = ["# The paper's tables", *(line for fact in facts for line in ("", fact))]
    for number in (1, 2):
        heads, rows = table(results, number)
        parts += ["", f"## Table {number}", "", *_lines(heads, rows)]
    parts += ["", verdict(results), ""]
    if course[1]:
        parts += ["## The distance after steps", "", *_lines(*course), ""]
    return "\n".join(parts)


def html(results: Sequence[Result], facts: Sequence[str], *, grid: str, style: str, charts: Sequence[Html] = ()) -> str:
    """The same as a page that opens anywhere. grid: a picture as a data address."""
    parts: list[Html] = [tag("h1", "The paper's tables"), *(tag("p", fact, class_="note") for fact in facts)]
    for number in (1, 2):
        heads, rows = table(results, number)
        top = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads)))
        body = tag(
            "tbody",
            *(tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows),
        )
        parts += [tag("h2", f"Table {number}"), tag("div", tag("table", top, body), class_="wide")]
    parts.append(tag("p", verdict(results)))
    if grid:
        caption = tag("figcaption", "The same held-out photos, a column a method.")
        parts.append(tag("figure", tag("img", src=grid, alt="photos and their drawings"), caption))
    parts += [tag("h2", "How it went"), tag("div", *charts, class_="charts")] if charts else []
    head = tag("head", tag("meta", charset="utf-8"), tag("title", "The paper's tables"), tag("style", Html(style)))
    return f"<!doctype html>\n{tag('html', head, tag('body', join(*parts)), lang='en')}\n"


def table(results: Sequence[Result], number: int) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of Table 1 or 2; a row that was not trained has the paper's numbers alone."""
    metric = results[0].metric if results else "score"
    shown = [key for key in _SHOWN if any(key in result.scores for result in results)]
    heads = ["", *(f"{style}, paper's FID" for style in STYLES), f"{metric}, here", "seeds"]
    heads += [*(_SHOWN[key] for key in shown), "images seen", "minutes", "parameters", "GMAC"]
    rows = []
    for row in ROWS:
        if number in row.tables:
            held = [result for result in results if result.row == row]
            rows.append([row.name, *(f"{row.paper[style]:.2f}" for style in STYLES), *_cells(held, metric, shown)])
    return heads, rows


def verdict(results: Sequence[Result]) -> str:
    """Whether the order of Table 1 appears, is within noise, or does not: each step down, and all of it, against its
    scatter.

    A mean's scatter is the deviation over seeds, that of all rows with several seeds together as one row's few tell too
    little, over the root of their number; of a single seed, at least the score's own standard error.
    """
    said, missing = [], []
    rows = [row for row in ROWS if 1 in row.tables]
    deviation = _pooled_deviation(results)
    for before, after in [*pairwise(rows), (rows[0], rows[-1])]:
        pair = [_summary([result for result in results if result.row == row], deviation) for row in (before, after)]
        name = f"{before.name} > {after.name}"
        if not all(map(math.isfinite, (pair[0][0], pair[1][0]))):
            missing.append(name)
            continue
        gap, noise = pair[0][0] - pair[1][0], math.hypot(pair[0][1], pair[1][1])
        found = "holds" if gap > 2 * noise else "does not hold" if gap < -2 * noise else "is within noise"
        said.append(f"{name} {found} ({gap:+.3g}, twice its scatter {2 * noise:.2g})")
    left = f"; not trained yet: {', '.join(missing)}" if missing else ""
    return f"The order of Table 1: {'; '.join(said) or 'nothing to compare'}{left}."


def _pooled_deviation(results: Sequence[Result]) -> float:
    """How far a distance goes with the seed: over the rows that have several; 0 where none has."""
    rows = [[result.scores[result.metric] for result in results if result.row == row] for row in ROWS]
    several = [values for values in rows if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    return math.sqrt(sum(variance(values) * (len(values) - 1) for values in several) / freedom) if several else 0.0


def _cells(held: Sequence[Result], metric: str, shown: Sequence[str]) -> list[str]:
    if not held:
        return ["not trained yet", *["–"] * (len(shown) + 5)]
    first = held[0]
    means = [in_words(mean(result.scores[key] for result in held if key in result.scores)) for key in shown]
    seconds = mean(result.seconds for result in held)
    return [
        _with_deviation([result.scores[metric] for result in held], [result.errors.get(metric) for result in held]),
        ", ".join(str(result.seed) for result in held),
        *means,
        f"{first.images:,}",
        f"{seconds / 60:.1f}",
        f"{first.parameters:,}",
        f"{first.gmac:.3g}",
    ]


def _with_deviation(values: Sequence[float], errors: Sequence[float | None]) -> str:
    if len(values) > 1:
        return f"{mean(values):.2f} ± {stdev(values):.2f}"
    return f"{values[0]:.2f}" + (f" (standard error {errors[0]:.2g})" if errors[0] is not None else "")


def _summary(held: Sequence[Result], deviation: float) -> tuple[float, float]:
    """The mean of a row's distances, and its scatter. deviation: of a single run, as the rows show it."""
    if not held:
        return math.nan, math.nan
    values = [result.scores[result.metric] for result in held]
    if len(values) > 1:
        return mean(values), deviation / math.sqrt(len(values))
    return values[0], max(held[0].errors.get(held[0].metric, 0.0), deviation)


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_line(heads), _line(["---"] * len(heads)), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
