"""Which pictures show the same scene, and which scenes are kept for testing.

Two crops of one scene are nearly the same picture: were one in training and the other in the test set, the scores
would praise memory. So the split is by scene, never by crop.
"""

import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path

from cartoon_dist.errors import ShardError

SCENES = "scenes.csv"


def read_scenes(folder: Path) -> dict[str, str]:
    """The scene of each picture that the folder's scenes.csv (columns file, scene) names; empty without such a file.

    `file` is relative to the folder. Raises ShardError when a column is missing, or a picture is named twice
    or not there.
    """
    path = folder / SCENES
    if not path.is_file():
        return {}
    scenes: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines)
        if not {"file", "scene"} <= set(rows.fieldnames or ()):
            raise ShardError(f"{path}: the columns are {rows.fieldnames}; its first line must name file and scene")
        for row in rows:
            file, scene = row["file"], row["scene"]
            if not file or not scene:
                raise ShardError(f"{path}: line {rows.line_num} lacks a file or a scene; give both")
            if file in scenes:
                raise ShardError(f"{path}: line {rows.line_num} names '{file}' again; keep one line a picture")
            if not (folder / file).is_file():
                raise ShardError(f"{path}: line {rows.line_num} names '{file}', which is not there; remove the line")
            scenes[file] = scene
    return scenes


def pick_test_scenes(scenes: Iterable[str], *, test_fraction: float, seed: int) -> frozenset[str]:
    """The scenes kept for testing: the first round(test_fraction * n), at least one, by sha256("seed/scene").

    Depends on the names alone, not on their order. A single scene is kept for training.
    """
    distinct = set(scenes)
    if len(distinct) < 2 or test_fraction == 0:
        return frozenset()
    order = sorted(distinct, key=lambda scene: hashlib.sha256(f"{seed}/{scene}".encode()).digest())
    return frozenset(order[: max(1, round(test_fraction * len(order)))])
