"""Which of a run's checkpoints has the best score, on a scores.json written down by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from cartoon_dist.config.train import ScoreSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.metrics.score_file import best_step

ALL = [1, 2, 3, 4, 5]


def score(step: int, value: float, **other: Any) -> dict[str, Any]:
    protocol = {"weights": other.pop("weights", "ema"), "photos": {"split": other.pop("split", "test")}, "pixels": 32}
    made = {"metric": "fid", "features": "inception", "weights_sha256": "ab", "num_generated": 9, "num_real": 7}
    return {**made, "step": step, "value": value, "protocol": protocol, **other}


def chosen(path: Path, scores: list[Any], settings: ScoreSettings | None = None, steps: list[int] = ALL) -> int | None:
    (path / "scores.json").write_text(json.dumps(scores))
    return best_step(path / "scores.json", settings or ScoreSettings(), steps)


def test_the_lowest_of_the_steps_that_are_there(tmp_path: Path) -> None:
    scores = [score(1, 30.0), score(2, 10.0), score(4, 20.0)]
    assert chosen(tmp_path, scores) == 2
    assert chosen(tmp_path, scores, steps=[1, 4, 5]) == 4
    assert chosen(tmp_path, scores, steps=[5]) is None
    assert chosen(tmp_path, [score(1, 10.0), score(2, 10.0)]) == 2  # of equals the later one


def test_only_scores_made_as_the_run_asks_are_compared(tmp_path: Path) -> None:
    others = [
        score(2, 1.0, metric="kid"), score(2, 1.0, weights="raw"), score(2, 1.0, split="train"),
        score(2, 1.0, num_generated=8), score(2, 1.0, weights_sha256="cd"),
    ]  # fmt: skip
    assert chosen(tmp_path, [*others, score(1, 30.0), score(3, 20.0)]) == 3
    small = score(4, 99.0, metric="frechet_efficientnet_lite0", features="efficientnet_lite0")
    assert chosen(tmp_path, [score(1, 3.0), small], ScoreSettings(features="efficientnet_lite0")) == 4
    assert chosen(tmp_path, [score(1, 3.0), score(2, 9.0, weights="raw")], ScoreSettings(weights="raw")) == 2
    # Once the run is scored on other pictures, these are what counts.
    assert chosen(tmp_path, [score(1, 3.0), score(2, 50.0, num_real=8), score(4, 40.0, num_real=8)]) == 4


def test_entries_that_are_no_scores_are_ignored(tmp_path: Path) -> None:
    odd = [{}, {"step": 2}, score(2, float("nan")), {**score(2, 1.0), "value": "1"}, {**score(2, 1.0), "protocol": 3}]
    odd += [score(2, 10**400), {**score(2, 1.0), "step": [2]}]
    assert chosen(tmp_path, [*odd, score(3, 5.0)]) == 3
    assert chosen(tmp_path, odd) is None
    assert best_step(tmp_path / "none.json", ScoreSettings(), ALL) is None
    (tmp_path / "scores.json").write_text("[{")
    with pytest.raises(CheckpointError, match=r"scores\.json"):
        best_step(tmp_path / "scores.json", ScoreSettings(), ALL)
