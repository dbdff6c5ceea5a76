"""A run's scores as tables: rows by step, those of runs inside it among them, each with its protocol."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cartoon_dist.files.json_values import as_number
from cartoon_dist.report.curves import in_words
from cartoon_dist.report.markup import Html, join, tag
from cartoon_dist.report.run_summary import Scored

_LABELS = "saliency_l1_"
_CONTENT = "lpips"
_SAME = ("step", "features", "weights_sha256", "num_generated", "num_real")
_SAME_PROTOCOL = ("subject", "weights", "photos", "cartoons", "generator_sha256", "pixels")
_WORDY = frozenset({"", "features", "photos", "weights", "protocol"})
"""Heads of columns that hold words; the others hold numbers and stand to the right, as these do."""
_NAMES = {
    "frechet_efficientnet_lite0": "Fréchet, EfficientNet-Lite0",
    "frechet_efficientnet_lite0_floor": "real against real",
    "fid": "FID",
    "fid_floor": "FID, real against real",
    "kid": "KID",
    "kid_all": "KID, all pairs",
    "lpips": "LPIPS to the photo",
    "lpips_salient": "LPIPS, salient places",
}


@dataclass(frozen=True)
class Row:
    """The scores that were made together: of one generator, on the same pictures, through the same features."""

    label: str
    scores: dict[str, Mapping[str, Any]]

    @property
    def first(self) -> Mapping[str, Any]:
        return next(iter(self.scores.values()))

    @property
    def step(self) -> float:
        return as_number(self.first.get("step"))

    def name(self) -> str:
        """Which generator: the run inside which it was made, and what the protocol calls it."""
        subject = _protocol(self.first).get("subject", None if self.step else "untrained")
        named = [part for part in (self.label, subject) if isinstance(part, str) and part]
        return ": ".join(dict.fromkeys(named)) or "this run"


def tables(scored: Sequence[Scored]) -> Html:
    """Both tables, each where it has rows: distances to the style, and how well S has learned its labels."""
    rows = _rows(scored)
    labels = [row for row in rows if all(metric.startswith(_LABELS) for metric in row.scores)]
    content = [row for row in rows if all(metric.startswith(_CONTENT) for metric in row.scores)]
    distances = [row for row in rows if row not in labels + content]
    return join(
        _distances(distances) if distances else None,
        _content(content) if content else None,
        _label_errors(labels) if labels else None,
    )


def _rows(scored: Sequence[Scored]) -> list[Row]:
    found: dict[str, Row] = {}
    for group in scored:
        for score in group.scores:
            metric = str(score.get("metric"))
            protocol = _protocol(score)
            same = [score.get(key) for key in _SAME], [protocol.get(key) for key in _SAME_PROTOCOL]
            kind = metric if metric.startswith(_LABELS) else "content" if metric.startswith(_CONTENT) else "distance"
            key = json.dumps([group.label, kind, same], sort_keys=True, default=str)
            found.setdefault(key, Row(group.label, {})).scores[metric] = score
    # A row without a step comes last; of one step the run's own come first.
    return sorted(found.values(), key=lambda row: (row.step if math.isfinite(row.step) else math.inf, row.label))


def _distances(rows: Sequence[Row]) -> Html:
    metrics = _metrics(rows)
    heads = [*_heads(metrics), "drawings", "cartoons"]
    return join(
        tag("h3", "Distance of the drawings to the style's cartoons"),
        tag(
            "p",
            "Less is nearer. Compare only rows of the same counts, features and pixels: a Fréchet distance of fewer "
            "than 2,000 pictures is biased upwards; ± is its standard error, and two halves of the real set lie as far "
            "apart as “real against real” says. EfficientNet's is no FID. Of precision and recall more is better.",
            class_="note",
        ),
        _table([*heads, "features", "weights", "protocol"], (_distance_cells(row, metrics) for row in rows)),
    )


def _distance_cells(row: Row, metrics: Sequence[str]) -> Iterable[Html]:
    yield from _value_cells(row, metrics)
    yield _cell(as_number(row.first.get("num_real")))
    yield tag("td", _text(row.first.get("features")))
    yield from _origin(row)


def _content(rows: Sequence[Row]) -> Html:
    metrics = _metrics(rows)
    return join(
        tag("h3", "Distance of the drawings to their photos"),
        tag(
            "p",
            "LPIPS: less is nearer, 0 is the photo itself. A drawing in the style that keeps its subject lies "
            "nearer in salient places than elsewhere.",
            class_="note",
        ),
        _table(
            [*_heads(metrics), "photos", "weights", "protocol"],
            (_content_cells(row, metrics) for row in rows),
        ),
    )


def _content_cells(row: Row, metrics: Sequence[str]) -> Iterable[Html]:
    yield from _value_cells(row, metrics)
    yield from _origin(row)


def _metrics(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(metric for row in rows for metric in row.scores))


def _heads(metrics: Sequence[str]) -> list[str]:
    return ["", "step", *(_NAMES.get(metric, metric) for metric in metrics)]


def _value_cells(row: Row, metrics: Sequence[str]) -> Iterable[Html]:
    """Which generator, at which step, its values, and of how many drawings."""
    yield tag("th", row.name(), scope="row")
    yield _cell(row.step)
    for metric in metrics:
        yield _value_cell(row.scores.get(metric))
    yield _cell(as_number(row.first.get("num_generated")))


def _label_errors(rows: Sequence[Row]) -> Html:
    heads = ["", "step", "photos", "count", "S errs by", "one map for all errs by", "S / one map"]
    return join(
        tag("h3", "How well S has learned its labels"),
        tag(
            "p",
            "Mean |S(p) - z| (Eq 10), beside the error of the best map that does not look at the photo. Below 1 in the "
            "last column, S has learned to look.",
            class_="note",
        ),
        _table([*heads, "weights", "protocol"], (_label_cells(row) for row in rows)),
    )


def _label_cells(row: Row) -> Iterable[Html]:
    metric, score = next(iter(row.scores.items()))
    error, constant = as_number(score.get("value")), as_number(_protocol(score).get("constant_map"))
    split = metric.removeprefix(_LABELS)
    yield tag("th", row.name(), scope="row")
    yield _cell(row.step)
    yield tag("td", {"train": "training", "test": "held out"}.get(split, split))
    yield _cell(as_number(score.get("num_generated")))
    yield _cell(error)
    yield _cell(constant)
    yield tag("td", f"{error / constant:.2f}" if constant > 0 and math.isfinite(error) else "–", class_="number")
    yield from _origin(row)


def _origin(row: Row) -> Iterable[Html]:
    """Whose weights drew, and the protocols."""
    yield tag("td", _text(_protocol(row.first).get("weights")))
    held = [{"weights_sha256": row.first.get("weights_sha256")}]
    held += [{metric: dict(_protocol(score))} for metric, score in row.scores.items()]
    texts = (tag("pre", json.dumps(each, indent=1, default=str, ensure_ascii=False)) for each in held)
    yield tag("td", tag("details", tag("summary", "show"), *texts))


def _table(heads: Sequence[str], rows: Iterable[Iterable[Html]]) -> Html:
    top = tag("thead", tag("tr", *(tag("th", head, scope="col", class_=_side(head)) for head in heads)))
    body = tag("tbody", *(tag("tr", *cells) for cells in rows))
    return tag("div", tag("table", top, body), class_="wide", tabindex="0", role="group")


def _side(head: str) -> str | None:
    return None if head in _WORDY else "number"


def _value_cell(score: Mapping[str, Any] | None) -> Html:
    if score is None:
        return tag("td", "–", class_="number")
    protocol = _protocol(score)
    deviation = as_number(protocol.get("deviation", protocol.get("standard_error")))
    more = f" ± {in_words(deviation)}" if math.isfinite(deviation) else ""
    return tag("td", _figure(as_number(score.get("value"))), more, class_="number")


def _cell(value: float) -> Html:
    return tag("td", _figure(value), class_="number")


def _figure(value: float) -> str:
    return in_words(value) if math.isfinite(value) else "–"


def _text(value: object) -> str:
    return value if isinstance(value, str) else "–"


def _protocol(score: Mapping[str, Any]) -> Mapping[str, Any]:
    held = score.get("protocol")
    return held if isinstance(held, Mapping) else {}
