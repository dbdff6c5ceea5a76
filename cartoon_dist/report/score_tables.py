"""A run's scores as tables: rows by step, those of runs inside it among them, each with its protocol."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cartoon_dist.files.json_values import float_or_nan
from cartoon_dist.report.curves import format_value
from cartoon_dist.report.run_summary import FolderScores

_LABEL_PREFIX = "saliency_l1_"
_CONTENT_PREFIX = "lpips"
_SAME_KEYS = ("step", "features", "weights_sha256", "num_generated", "num_real")
_SAME_PROTOCOL_KEYS = ("subject", "weights", "photos", "cartoons", "generator_sha256", "pixels")
"""Scores that agree in all of these stand in one row."""
_TEXT_HEADS = frozenset({"", "features", "photos", "weights", "protocol"})
"""Heads of columns that hold text; the others hold numbers and are aligned to the right."""
_METRIC_NAMES = {
    "frechet_efficientnet_lite0": "Fréchet, EfficientNet-Lite0",
    "frechet_efficientnet_lite0_floor": "real against real",
    "fid": "FID",
    "fid_floor": "FID, real against real",
    "kid": "KID",
    "kid_all": "KID, all pairs",
    "lpips": "LPIPS to the photo",
    "lpips_salient": "LPIPS, salient places",
}


class Cell(NamedTuple):
    """A cell of a table; numbers are aligned to the right."""

    text: str
    is_number: bool = False


class TableRow(NamedTuple):
    """A row: which generator, the cells, and how its scores were made, as texts that the page folds away."""

    name: str
    cells: list[Cell]
    protocols: list[str]


class ScoreTable(NamedTuple):
    """A table as the template writes it."""

    title: str
    note: str
    heads: list[Cell]
    rows: list[TableRow]


@dataclass(frozen=True)
class ScoreGroup:
    """The scores that were made together: of one generator, on the same pictures, through the same features."""

    label: str
    scores: dict[str, Mapping[str, Any]]

    @property
    def first(self) -> Mapping[str, Any]:
        return next(iter(self.scores.values()))

    @property
    def step(self) -> float:
        return float_or_nan(self.first.get("step"))

    def name(self) -> str:
        """Which generator: the run inside which it was made, and what the protocol calls it."""
        subject = _protocol(self.first).get("subject", None if self.step else "untrained")
        parts = [part for part in (self.label, subject) if isinstance(part, str) and part]
        return ": ".join(dict.fromkeys(parts)) or "this run"

    def consists_of(self, prefix: str) -> bool:
        """Whether all its metrics begin with `prefix`."""
        return all(metric.startswith(prefix) for metric in self.scores)


def score_tables(scores: Sequence[FolderScores]) -> list[ScoreTable]:
    """The tables that have rows: distances to the style, distances to the photos, and how well S has learned."""
    groups = _groups(scores)
    labels = [group for group in groups if group.consists_of(_LABEL_PREFIX)]
    content = [group for group in groups if group.consists_of(_CONTENT_PREFIX)]
    distances = [group for group in groups if group not in labels + content]
    tables = (_distance_table(distances), _content_table(content), _label_error_table(labels))
    return [table for table in tables if table.rows]


def _groups(scores: Sequence[FolderScores]) -> list[ScoreGroup]:
    groups: dict[str, ScoreGroup] = {}
    for folder in scores:
        for score in folder.scores:
            metric = str(score.get("metric"))
            protocol = _protocol(score)
            same = [score.get(key) for key in _SAME_KEYS], [protocol.get(key) for key in _SAME_PROTOCOL_KEYS]
            key = json.dumps([folder.label, _kind(metric), same], sort_keys=True, default=str)
            groups.setdefault(key, ScoreGroup(folder.label, {})).scores[metric] = score
    # A group without a step comes last; of one step the run's own come first.
    return sorted(
        groups.values(), key=lambda group: (group.step if math.isfinite(group.step) else math.inf, group.label)
    )


def _kind(metric: str) -> str:
    if metric.startswith(_LABEL_PREFIX):
        return metric
    return "content" if metric.startswith(_CONTENT_PREFIX) else "distance"


def _distance_table(groups: Sequence[ScoreGroup]) -> ScoreTable:
    metrics = _metrics(groups)
    return ScoreTable(
        "Distance of the drawings to the style's cartoons",
        "Less is nearer. Compare only rows of the same counts, features and pixels: a Fréchet distance of fewer "
        "than 2,000 pictures is biased upwards; ± is its standard error, and two halves of the real set lie as far "
        "apart as “real against real” says. EfficientNet's is no FID. Of precision and recall more is better.",
        _heads("step", *_names(metrics), "drawings", "cartoons", "features", "weights", "protocol"),
        [_row(group, _distance_cells(group, metrics)) for group in groups],
    )


def _distance_cells(group: ScoreGroup, metrics: Sequence[str]) -> Iterable[Cell]:
    yield from _metric_cells(group, metrics)
    yield _number_cell(float_or_nan(group.first.get("num_real")))
    yield _text_cell(group.first.get("features"))


def _content_table(groups: Sequence[ScoreGroup]) -> ScoreTable:
    metrics = _metrics(groups)
    return ScoreTable(
        "Distance of the drawings to their photos",
        "LPIPS: less is nearer, 0 is the photo itself. A drawing in the style that keeps its subject lies "
        "nearer in salient places than elsewhere.",
        _heads("step", *_names(metrics), "photos", "weights", "protocol"),
        [_row(group, _metric_cells(group, metrics)) for group in groups],
    )


def _label_error_table(groups: Sequence[ScoreGroup]) -> ScoreTable:
    return ScoreTable(
        "How well S has learned its labels",
        "Mean |S(p) - z| (Eq 10), beside the error of the best map that does not look at the photo. Below 1 in the "
        "last column, S has learned to look.",
        _heads("step", "photos", "count", "S errs by", "one map for all errs by", "S / one map", "weights", "protocol"),
        [_row(group, _label_error_cells(group)) for group in groups],
    )


def _label_error_cells(group: ScoreGroup) -> Iterable[Cell]:
    metric, score = next(iter(group.scores.items()))
    error, constant = float_or_nan(score.get("value")), float_or_nan(_protocol(score).get("constant_map"))
    split = metric.removeprefix(_LABEL_PREFIX)
    yield _number_cell(group.step)
    yield Cell({"train": "training", "test": "held out"}.get(split, split))
    yield _number_cell(float_or_nan(score.get("num_generated")))
    yield _number_cell(error)
    yield _number_cell(constant)
    yield Cell(f"{error / constant:.2f}" if constant > 0 and math.isfinite(error) else "–", is_number=True)


def _metrics(groups: Sequence[ScoreGroup]) -> list[str]:
    return list(dict.fromkeys(metric for group in groups for metric in group.scores))


def _names(metrics: Sequence[str]) -> list[str]:
    return [_METRIC_NAMES.get(metric, metric) for metric in metrics]


def _heads(*heads: str) -> list[Cell]:
    """Heads of the columns; the first, over the rows' names, is empty."""
    return [Cell(head, is_number=head not in _TEXT_HEADS) for head in ("", *heads)]


def _metric_cells(group: ScoreGroup, metrics: Sequence[str]) -> Iterable[Cell]:
    """After which step, its values, and of how many generated pictures."""
    yield _number_cell(group.step)
    for metric in metrics:
        yield _score_cell(group.scores.get(metric))
    yield _number_cell(float_or_nan(group.first.get("num_generated")))


def _row(group: ScoreGroup, cells: Iterable[Cell]) -> TableRow:
    """The cells, then which weights generated the pictures, and the protocols."""
    details = [{"weights_sha256": group.first.get("weights_sha256")}]
    details += [{metric: dict(_protocol(score))} for metric, score in group.scores.items()]
    return TableRow(
        group.name(),
        [*cells, _text_cell(_protocol(group.first).get("weights"))],
        [json.dumps(detail, indent=1, default=str, ensure_ascii=False) for detail in details],
    )


def _score_cell(score: Mapping[str, Any] | None) -> Cell:
    if score is None:
        return Cell("–", is_number=True)
    protocol = _protocol(score)
    deviation = float_or_nan(protocol.get("deviation", protocol.get("standard_error")))
    scatter = f" ± {format_value(deviation)}" if math.isfinite(deviation) else ""
    return Cell(_number_cell(float_or_nan(score.get("value"))).text + scatter, is_number=True)


def _number_cell(value: float) -> Cell:
    return Cell(format_value(value) if math.isfinite(value) else "–", is_number=True)


def _text_cell(value: object) -> Cell:
    return Cell(value if isinstance(value, str) else "–")


def _protocol(score: Mapping[str, Any]) -> Mapping[str, Any]:
    protocol = score.get("protocol")
    return protocol if isinstance(protocol, Mapping) else {}
