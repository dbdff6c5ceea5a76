"""Which charts the report shows of a run's records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cartoon_dist.files.json_values import float_or_nan
from cartoon_dist.report.charts import Chart, Level
from cartoon_dist.report.curves import Series
from cartoon_dist.report.run_summary import RunSummary

_NOTES = {
    "loss/pixel": "G in the warm-up: mean |G(p) - p|.",
    "loss/content": "How far a drawing's VGG features are from its photo's (Eq 9), before its weight.",
    "loss/saliency": "Label against predicted saliency: mean |S(p) - z| over training photos (Eq 10).",
}


def charts_of_run(summary: RunSummary) -> list[Chart]:
    """All charts of a run that have a value, in the order they are shown."""
    records = summary.records
    last_step = float(records.steps[-1]) if len(records.rows) else 0.0
    charts = []
    for chart in _candidates(summary):
        with_values = tuple(series for series in chart.series if len(series.finite_values()))
        if with_values:
            chart_last = max(last_step, *(float(series.steps.max()) for series in with_values))
            charts.append(replace(chart, series=with_values, last_step=chart_last))
    return charts


def _candidates(summary: RunSummary) -> Iterable[Chart]:
    records = summary.records
    losses = records.names("loss/")
    adversarial = [name for name in losses if name.startswith("loss/adversarial")]
    yield _chart(summary, "adversarial", "Adversarial losses", "What G and D make of each other.", adversarial)
    for name in losses:
        if name not in adversarial:
            note = _NOTES.get(name, "Before its weight.")
            yield _chart(summary, name.replace("/", "-"), f"Loss: {name.removeprefix('loss/')}", note, [name])
    about_d = "D's mean answer: 1 is a cartoon, 0 is none. Far apart, D has won; all alike, it has lost."
    yield _chart(summary, "judged", "What D says", about_d, records.names("d/"))
    rates = records.names("lr/")
    yield _chart(summary, "rates", "Learning rates", "Of each network's optimizer.", rates, smoothed=False)
    weights = [name for name in records.names("weight/") if _changes(records.series(name))]
    about_weights = "What a loss is multiplied by (Eq 12 lets the content's decay); weights that stay 1 are left out."
    yield _chart(summary, "weights", "Weights of the losses", about_weights, weights, smoothed=False)
    yield _chart(summary, "speed", "Speed", "Photos a second, all processes together.", ["images_per_second"])
    about_waiting = (
        "The share of the time that the loop waited for its next batch; near 1, reading the shards is what limits."
    )
    yield _chart(summary, "waiting", "Waiting for data", about_waiting, ["data_wait_fraction"])


def _chart(
    summary: RunSummary, key: str, title: str, note: str, names: Sequence[str], *, smoothed: bool = True
) -> Chart:
    series = [summary.records.series(name) for name in names]
    levels: tuple[Level, ...] = ()
    if key == "loss-saliency":
        by_metric = _own_scores(summary)
        series += [_score_series("S on held-out photos, scored", by_metric.get("saliency_l1_test", []))]
        levels = tuple(_constant_maps(by_metric))
    return Chart(
        key=key,
        title=title,
        note=note,
        series=tuple(series),
        last_step=0.0,
        warmup_steps=summary.records.warmup_steps(),
        smoothed=smoothed,
        levels=levels,
    )


def _changes(weight: Series) -> bool:
    return weight.name == "weight/content" or bool(np.any(weight.finite_values() != 1.0))


def _own_scores(summary: RunSummary) -> dict[str, list[Mapping[str, Any]]]:
    """The run's own scores by their metrics, in the order of their steps."""
    by_metric: dict[str, list[Mapping[str, Any]]] = {}
    own = [score for folder in summary.scores if not folder.label for score in folder.scores]
    finite = [
        score for score in own if np.isfinite([float_or_nan(score.get("step")), float_or_nan(score.get("value"))]).all()
    ]
    for score in sorted(finite, key=lambda score: float(score["step"])):
        by_metric.setdefault(str(score.get("metric")), []).append(score)
    return by_metric


def _score_series(name: str, scores: Sequence[Mapping[str, Any]]) -> Series:
    """Scores as a series; of several after one step the latest that was written."""
    values = {float(score["step"]): float(score["value"]) for score in scores}
    return Series(name, np.array(list(values), np.float64), np.array(list(values.values()), np.float64))


def _constant_maps(by_metric: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterable[Level]:
    """The error of the best map that is the same for all photos, as the newest scores say."""
    for split, of in (("train", "training"), ("test", "held-out")):
        for score in list(by_metric.get(f"saliency_l1_{split}", []))[-1:]:
            protocol = score.get("protocol")
            value = float_or_nan(protocol.get("constant_map") if isinstance(protocol, Mapping) else None)
            if np.isfinite(value):
                yield Level(f"one map for all {of} photos", value)
