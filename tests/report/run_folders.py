"""Run folders made by hand, piece by piece, as training, scoring, a kill or a full disk may leave them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from cartoon_dist.runs.layout import RunFolder


def make(root: Path, **pieces: object) -> RunFolder:
    """A run folder with the given pieces: settings, lines (of metrics.jsonl), pictures (steps), scores, ended."""
    run = RunFolder(root)
    root.mkdir(parents=True, exist_ok=True)
    made: Mapping[str, Any] = pieces
    if "settings" in made:
        run.config.write_text(yaml.safe_dump(made["settings"]))
    if "lines" in made:
        run.metrics.write_text("".join(f"{line}\n" for line in made["lines"]))
    for step in made.get("pictures", ()):
        picture(run.sample(step), step)
    if "scores" in made:
        run.scores.write_text(json.dumps(made["scores"]))
    if "ended" in made:
        run.exit.write_text(json.dumps(made["ended"]))
    return run


def picture(path: Path, seed: int, *, height: int = 30, width: int = 64) -> None:
    """Noise as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), noise)


def record(step: int, **figures: object) -> str:
    """A line of metrics.jsonl."""
    return json.dumps({"step": step, "epoch": 0, "phase": "gan", "images": 4 * step, **figures})


def score(metric: str, value: object, step: object = 10, **protocol: object) -> dict[str, Any]:
    """A score as scores.json holds it."""
    return {
        "metric": metric, "value": value, "features": "inception", "weights_sha256": "ab", "num_generated": 26,
        "num_real": 166, "step": step, "protocol": {"weights": "ema", **protocol},
    }  # fmt: skip
