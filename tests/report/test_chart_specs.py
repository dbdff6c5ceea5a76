"""Which charts a run's records give."""

from pathlib import Path
from typing import Any

import pytest

from cartoon_dist.report.chart_specs import charts_of_run
from cartoon_dist.report.charts import Chart
from cartoon_dist.report.run_summary import summarize_run
from tests.report.run_folders import make, record, score

WARMUP = {"phase": "warmup", "loss/pixel": 0.4, "loss/saliency": 0.3, "lr/generator": 1e-3, "images_per_second": 20.0}
GAN = {
    "loss/adversarial_d": 0.3, "d/real": 0.6, "d/generated": 0.3, "d/smoothed": 0.0, "loss/adversarial_g": 0.5,
    "loss/content": 3.0, "loss/saliency": 0.1, "weight/content": 0.5, "weight/saliency": 1.0, "lr/generator": 4e-4,
    "lr/discriminator": 2e-4, "images_per_second": 9.0, "data_wait_fraction": 0.01,
}  # fmt: skip


def charts(root: Path, lines: list[str], scores: list[dict[str, Any]] | None = None) -> dict[str, Chart]:
    return {chart.key: chart for chart in charts_of_run(summarize_run(make(root, lines=lines, scores=scores or [])))}


def test_a_whole_run(tmp_path: Path) -> None:
    shown = charts(tmp_path, [record(10, **WARMUP), record(20, **WARMUP), record(30, **GAN), record(40, **GAN)])
    assert {key: [series.name for series in chart.series] for key, chart in shown.items()} == {
        "adversarial": ["loss/adversarial_d", "loss/adversarial_g"],
        "loss-pixel": ["loss/pixel"],
        "loss-saliency": ["loss/saliency"],
        "loss-content": ["loss/content"],
        "judged": ["d/real", "d/generated", "d/smoothed"],
        "rates": ["lr/generator", "lr/discriminator"],
        "weights": ["weight/content"],
        "speed": ["images_per_second"],
        "waiting": ["data_wait_fraction"],
    }
    assert {(chart.warmup_steps, chart.last_step) for chart in shown.values()} == {(20, 40)}
    assert [chart.smoothed for chart in shown.values()].count(False) == 2  # rates and weights are exact


def test_the_warmup_alone_has_fewer(tmp_path: Path) -> None:
    assert list(charts(tmp_path, [record(10, **WARMUP)])) == ["loss-pixel", "loss-saliency", "rates", "speed"]


def test_no_records_no_charts_and_figures_without_a_value_neither(tmp_path: Path) -> None:
    assert charts(tmp_path / "a", []) == {}
    lost = record(1, **{"loss/content": float("nan"), "loss/x": "lost", "d/real": None})
    assert charts(tmp_path / "b", [lost]) == {}


def test_a_weight_that_moves_is_shown(tmp_path: Path) -> None:
    lines = [record(step, **{"weight/colour": 1.0 / step, "weight/saliency": 1.0}) for step in (1, 2)]
    assert [series.name for series in charts(tmp_path, lines)["weights"].series] == ["weight/colour"]


def test_scores_stand_beside_the_saliency_loss(tmp_path: Path) -> None:
    scores = [
        score("saliency_l1_test", 0.2, 20, constant_map=0.5),
        score("saliency_l1_test", 0.3, 10, constant_map=0.4),
        score("saliency_l1_train", 0.1, 20, constant_map=0.6),
        score("saliency_l1_test", "none", 30),
        score("saliency_l1_test", 0.7, None),
        score("fid", 100.0, 20),
    ]
    make(tmp_path / "control", settings={"run_dir": "c"}, scores=[score("saliency_l1_test", 9.0)])
    chart = charts(tmp_path, [record(10, **GAN)], scores)["loss-saliency"]
    held_out = chart.series[1]
    assert (held_out.steps.tolist(), held_out.values.tolist()) == ([10, 20], [0.3, 0.2])
    assert [level.value for level in chart.levels] == [0.6, 0.5]  # of the newest scores
    assert chart.last_step == 20
    assert chart.axes()[1].high == pytest.approx(0.6)


def test_without_scores_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    chart = charts(tmp_path, [record(10, **GAN)])["loss-saliency"]
    assert (len(chart.series), chart.levels) == (1, ())
