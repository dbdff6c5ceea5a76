"""Which charts a run's records give."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cartoon_dist.files.json_values import as_number
from cartoon_dist.report.charts import Chart, Level
from cartoon_dist.report.curves import Series
from cartoon_dist.report.run_summary import Findings

_NOTES = {
    "loss/pixel": "G in the warm-up: mean |G(p) - p|.",
    "loss/content": "How far a drawing's VGG features are from its photo's (Eq 9), before its weight.",
    "loss/saliency": "Label against predicted saliency: mean |S(p) - z| over training photos (Eq 10).",
}


def charts(found: Findings) -> list[Chart]:
    """All charts of a run that have a value, in the order they are shown."""
    records = found.records
    last_step = float(records.steps[-1]) if len(records.rows) else 0.0
    drawn = []
    for chart in _planned(found):
        with_values = tuple(series for series in chart.series if len(series.finite()))
        if with_values:
            reach = max(last_step, *(float(series.steps.max()) for series in with_values))
            drawn.append(replace(chart, series=with_values, last_step=reach))
    return drawn


def _planned(found: Findings) -> Iterable[Chart]:
    records = found.records
    losses = records.names("loss/")
    rivals = [name for name in losses if name.startswith("loss/adversarial")]
    yield _chart(found, "adversarial", "Adversarial losses", "What G and D make of each other.", rivals)
    for name in losses:
        if name not in rivals:
            note = _NOTES.get(name, "Before its weight.")
            yield _chart(found, name.replace("/", "-"), f"Loss: {name.removeprefix('loss/')}", note, [name])
    judged = "D's mean answer: 1 is a cartoon, 0 is none. Far apart, D has won; all alike, it has lost."
    yield _chart(found, "judged", "What D says", judged, records.names("d/"))
    rates = records.names("lr/")
    yield _chart(found, "rates", "Learning rates", "Of each network's optimizer.", rates, smoothed=False)
    weights = [name for name in records.names("weight/") if _moves(records.series(name))]
    about = "What a loss is multiplied by (Eq 12 lets the content's decay); weights that stay 1 are left out."
    yield _chart(found, "weights", "Weights of the losses", about, weights, smoothed=False)
    yield _chart(found, "speed", "Speed", "Photos a second, all processes together.", ["images_per_second"])
    waiting = (
        "The share of the time that the loop waited for its next batch; near 1, reading the shards is what limits."
    )
    yield _chart(found, "waiting", "Waiting for data", waiting, ["data_wait_fraction"])


def _chart(found: Findings, key: str, title: str, note: str, names: Sequence[str], *, smoothed: bool = True) -> Chart:
    series = [found.records.series(name) for name in names]
    levels: tuple[Level, ...] = ()
    if key == "loss-saliency":
        scored = _own_scores(found)
        series += [_points("S on held-out photos, scored", scored.get("saliency_l1_test", []))]
        levels = tuple(_constant_maps(scored))
    return Chart(
        key=key,
        title=title,
        note=note,
        series=tuple(series),
        last_step=0.0,
        warmup_steps=found.records.warmup_steps(),
        smoothed=smoothed,
        levels=levels,
    )


def _moves(weight: Series) -> bool:
    return weight.name == "weight/content" or bool(np.any(weight.finite() != 1.0))


def _own_scores(found: Findings) -> dict[str, list[Mapping[str, Any]]]:
    """The run's own scores by their metrics, in the order of their steps."""
    by_metric: dict[str, list[Mapping[str, Any]]] = {}
    held = [score for scored in found.scored if not scored.label for score in scored.scores]
    known = [
        score for score in held if np.isfinite([as_number(score.get("step")), as_number(score.get("value"))]).all()
    ]
    for score in sorted(known, key=lambda score: float(score["step"])):
        by_metric.setdefault(str(score.get("metric")), []).append(score)
    return by_metric


def _points(name: str, scored: Sequence[Mapping[str, Any]]) -> Series:
    """Scores as a series; of several after one step the latest that was written."""
    values = {float(score["step"]): float(score["value"]) for score in scored}
    return Series(name, np.array(list(values), np.float64), np.array(list(values.values()), np.float64))


def _constant_maps(scored: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterable[Level]:
    """What one map for all photos would err, as the newest scores say."""
    for split, of in (("train", "training"), ("test", "held-out")):
        for score in list(scored.get(f"saliency_l1_{split}", []))[-1:]:
            protocol = score.get("protocol")
            value = as_number(protocol.get("constant_map") if isinstance(protocol, Mapping) else None)
            if np.isfinite(value):
                yield Level(f"one map for all {of} photos", value)
