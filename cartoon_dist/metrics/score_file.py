"""scores.json: the scores of a run, how each was made, and which checkpoint is the best."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cartoon_dist.config.train import ScoreSettings
from cartoon_dist.errors import CartoonError, CheckpointError
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular_text
from cartoon_dist.files.json_values import float_or_nan, nan_to_none
from cartoon_dist.files.json_yaml import parse_json
from cartoon_dist.files.locks import lock_file
from cartoon_dist.metrics.frechet_kid import HEADLINE


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric's value and how it was measured."""

    metric: str
    value: float
    features: str
    weights_sha256: str
    num_generated: int
    num_real: int
    step: int
    protocol: Mapping[str, Any]


def one_score_per_metric(base: Score, measured: Mapping[str, tuple[float, Mapping[str, Any]]]) -> list[Score]:
    """A score for each metric: the shared fields, its value, and its additions to the protocol."""
    return [
        replace(base, metric=metric, value=value, protocol={**base.protocol, **additions})
        for metric, (value, additions) in measured.items()
    ]


def require_finite_scores(scores: Sequence[Score]) -> list[Score]:
    """The scores, whose values are finite: CartoonError naming the first that is not, and why. Other entries of a
    protocol that are not finite, such as a standard deviation that overflowed, are left out of it."""
    for score in scores:
        if not math.isfinite(score.value):
            raise CartoonError(
                f"{score.metric} of step {score.step} is {score.value}, so nothing is recorded: its features "
                f"({score.features}, of {score.num_generated} generated and {score.num_real} real pictures) are too "
                "large or too much alike for it; look at the pictures, or score another checkpoint"
            )
    return [
        replace(
            score,
            protocol={
                key: value
                for key, value in score.protocol.items()
                if not isinstance(value, float) or math.isfinite(value)
            },
        )
        for score in scores
    ]


def record_scores(path: Path, scores: Sequence[Score]) -> None:
    """Add scores to scores.json, whole or not at all; one of the same metric, step and protocol is replaced.

    Several processes may do so at once: each waits for the lock. A value in the file that is not finite, as an earlier
    release wrote it, becomes null: NaN is no JSON.
    """
    new = [asdict(score) for score in scores]
    try:
        with lock_file(path, CheckpointError):
            kept = [old for old in read_scores(path) if _identity(old) not in {_identity(score) for score in new}]
            write_atomically(path, json.dumps(nan_to_none(kept) + new, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error.strerror}); make room and score again") from None


def read_scores(path: Path) -> list[dict[str, Any]]:
    """The scores of a run so far; CheckpointError when the file is damaged."""
    try:
        scores = parse_json(read_regular_text(path, max_bytes=MAX_RECORD_BYTES))
        return [dict(score) for score in scores]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); move it away and score again") from None
    except (ValueError, TypeError):
        raise CheckpointError(f"{path}: is no list of scores; move it away and score again") from None


def protocol_of(score: Mapping[str, Any]) -> Mapping[str, Any]:
    """The protocol of a score read from a file; empty for an entry that is none of ours."""
    protocol = score.get("protocol")
    return protocol if isinstance(protocol, dict) else {}


def best_step(path: Path, settings: ScoreSettings, steps: Sequence[int]) -> int | None:
    """Of these steps the one with the lowest distance in scores.json; None when it holds none of them.

    Only scores made as the run's settings say are compared, and of these only those that were made like the last one:
    on the same pictures, by the same feature network. CheckpointError when the file is damaged.
    """
    wanted = {"metric": HEADLINE[settings.features], "weights": settings.weights, "split": settings.photos}
    scores = [
        score
        for score in read_scores(path)
        if wanted.items() <= _how_made(score).items() and score.get("step") in steps
    ]
    comparable = [
        score
        for score in scores
        if _how_made(score) == _how_made(scores[-1]) and math.isfinite(float_or_nan(score["value"]))
    ]
    return min(comparable, key=lambda score: (score["value"], -score["step"]))["step"] if comparable else None


def _how_made(score: Mapping[str, Any]) -> dict[str, Any]:
    """How a score was made, apart from the generator; empty where it has no value to compare."""
    protocol = score.get("protocol")
    if not isinstance(score.get("value"), (int, float)) or not isinstance(protocol, dict):
        return {}
    photos, cartoons = protocol.get("photos"), protocol.get("cartoons")
    fields = {key: score.get(key) for key in ("metric", "features", "weights_sha256", "num_generated", "num_real")}
    fields |= {key: protocol.get(key) for key in ("weights", "pixels", "resize", "layer")}
    return fields | {
        "photos": photos,
        "cartoons": cartoons,
        "split": photos.get("split") if isinstance(photos, dict) else None,
    }


def _identity(score: Mapping[str, Any]) -> str:
    fields = {key: score.get(key) for key in ("metric", "step", "num_generated", "num_real", "weights_sha256")}
    origin = {key: protocol_of(score).get(key) for key in ("weights", "photos", "cartoons", "generator_sha256")}
    return json.dumps([fields, origin], sort_keys=True)
