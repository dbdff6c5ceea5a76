"""scores.json: the scores of a run, how each was made, and which checkpoint is the best."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cartoon_dist.config.train import ScoreSettings
from cartoon_dist.errors import CartoonError, CheckpointError
from cartoon_dist.files.atomic import MAX_RECORD_BYTES, read_regular_text, turn_at, write_whole
from cartoon_dist.files.json_values import as_number, finite
from cartoon_dist.files.json_yaml import json_text
from cartoon_dist.metrics.frechet_kid import HEADLINE


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number and how it was come by."""

    metric: str
    value: float
    features: str
    weights_sha256: str
    num_generated: int
    num_real: int
    step: int
    protocol: Mapping[str, Any]


def each(base: Score, measured: Mapping[str, tuple[float, Mapping[str, Any]]]) -> list[Score]:
    """A score for each metric: what they share, its value, and what its protocol adds."""
    return [
        replace(base, metric=metric, value=value, protocol={**base.protocol, **more})
        for metric, (value, more) in measured.items()
    ]


def checked(scores: Sequence[Score]) -> list[Score]:
    """The scores, whose values are numbers: CartoonError naming the first that is not finite, and why. What else a
    protocol says that is not finite, a deviation of what overflowed for instance, is left out of it."""
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


def record(path: Path, scores: Sequence[Score]) -> None:
    """Add scores to scores.json, whole or not at all; one of the same metric, step and protocol is replaced.

    Several processes may do so at once: each waits for its turn. What stands there that is not finite, as an earlier
    release left it, becomes null: NaN is no JSON.
    """
    new = [asdict(score) for score in scores]
    try:
        with turn_at(path, CheckpointError):
            kept = [old for old in read(path) if _identity(old) not in {_identity(score) for score in new}]
            write_whole(path, json.dumps(finite(kept) + new, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error.strerror}); make room and score again") from None


def read(path: Path) -> list[dict[str, Any]]:
    """The scores of a run so far; CheckpointError when the file is damaged."""
    try:
        held = json_text(read_regular_text(path, max_bytes=MAX_RECORD_BYTES))
        return [dict(score) for score in held]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); move it away and score again") from None
    except (ValueError, TypeError):
        raise CheckpointError(f"{path}: is no list of scores; move it away and score again") from None


def protocol(score: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a score says that it was made; nothing for an entry that is none of ours."""
    held = score.get("protocol")
    return held if isinstance(held, dict) else {}


def best(path: Path, settings: ScoreSettings, steps: Sequence[int]) -> int | None:
    """Of these steps the one whose generator draws nearest to the style, as scores.json has it; None when it has none.

    Only scores made as the run's settings say are compared, and of these only those that were made like the last one:
    on the same pictures, through the same weights. CheckpointError when the file is damaged.
    """
    asked = {"metric": HEADLINE[settings.features], "weights": settings.weights, "split": settings.photos}
    held = [score for score in read(path) if asked.items() <= _made(score).items() and score.get("step") in steps]
    alike = [score for score in held if _made(score) == _made(held[-1]) and math.isfinite(as_number(score["value"]))]
    return min(alike, key=lambda score: (score["value"], -score["step"]))["step"] if alike else None


def _made(score: Mapping[str, Any]) -> dict[str, Any]:
    """How a score was made, but for the generator; without a number there is nothing to compare."""
    made = score.get("protocol")
    if not isinstance(score.get("value"), (int, float)) or not isinstance(made, dict):
        return {}
    photos, cartoons = made.get("photos"), made.get("cartoons")
    alike = {key: score.get(key) for key in ("metric", "features", "weights_sha256", "num_generated", "num_real")}
    alike |= {key: made.get(key) for key in ("weights", "pixels", "resize", "layer")}
    return alike | {
        "photos": photos,
        "cartoons": cartoons,
        "split": photos.get("split") if isinstance(photos, dict) else None,
    }


def _identity(score: Mapping[str, Any]) -> str:
    asked = {key: score.get(key) for key in ("metric", "step", "num_generated", "num_real", "weights_sha256")}
    chosen = {key: protocol(score).get(key) for key in ("weights", "photos", "cartoons", "generator_sha256")}
    return json.dumps([asked, chosen], sort_keys=True)
