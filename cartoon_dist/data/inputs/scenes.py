"""Which pictures show the same scene, and which scenes are kept for testing.

Two crops of one scene are nearly the same picture: with one in training and the other in the test set, the
scores would reward memorising. So the split is by scene, never by crop.
"""

import csv
import hashlib
import io
import os
import posixpath
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from cartoon_dist.errors import ShardError
from cartoon_dist.files.bounded import read_text

SCENES = "scenes.csv"


def read_scenes(folder: Path, known: Container[str] = ()) -> dict[str, str]:
    """The scene of each picture that the folder's scenes.csv (columns file, scene) names; empty without such a file.

    `file` is relative to the folder. `known` are paths that are known to exist, so that the disk is not asked for them.
    Columns are separated by commas, or by the semicolons or tabs that spreadsheets write. Raises ShardError when a
    column is missing, or a picture is named twice or not there.
    """
    path = folder / SCENES
    if not path.is_file():
        return {}
    scenes: dict[str, str] = {}
    for line_number, file, scene in _rows(path):
        if not file or not scene:
            raise ShardError(f"{path}: line {line_number} lacks a file or a scene; give both")
        name = next((spelling for spelling in _spellings(file) if _file_exists(f"{folder}/{spelling}", known)), None)
        if name is None:
            raise ShardError(f"{path}: line {line_number} names '{file}', which is not there; remove the line")
        if name in scenes:
            raise ShardError(f"{path}: line {line_number} names '{file}' again; keep one line a picture")
        scenes[name] = scene
    return scenes


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """The lines that are not empty: number, file and scene of each."""
    text = read_text(path, ShardError)
    head = text.partition("\n")[0]
    # The first line names columns, none of which has these characters in it.
    delimiter = next((mark for mark in ";\t" if mark in head and "," not in head), ",")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [name.strip().lower() for name in next(rows, [])]
        if not {"file", "scene"} <= set(columns):
            raise ShardError(f"{path}: the columns are {columns}; its first line must name file and scene")
        file_and_scene = columns.index("file"), columns.index("scene")
        for row in rows:
            if any(cell.strip() for cell in row):
                file, scene = (row[column].strip() if column < len(row) else "" for column in file_and_scene)
                yield rows.line_num, file, scene
    except csv.Error as error:
        raise ShardError(f"{path}: line {rows.line_num} is no CSV ({error}); correct it") from None


def _spellings(file: str) -> Iterator[str]:
    """The normal form of a path, `a/b.jpg` for `./a//b.jpg`, then the same with the separators of Windows."""
    yield posixpath.normpath(file)
    yield posixpath.normpath(file.replace("\\", "/"))


def _file_exists(path: str, known: Container[str]) -> bool:
    return path in known or os.path.isfile(path)  # noqa: PTH113 (takes names that are too long)


def pick_test_scenes(scenes: Iterable[str], *, test_fraction: float, seed: int) -> frozenset[str]:
    """The scenes kept for testing: the first round(test_fraction * n), at least one, by sha256("seed/scene").

    Depends on the names alone, not on their order. A single scene is kept for training.
    """
    distinct = set(scenes)
    if len(distinct) < 2 or test_fraction == 0:
        return frozenset()
    order = sorted(distinct, key=lambda scene: hashlib.sha256(f"{seed}/{scene}".encode()).digest())
    return frozenset(order[: max(1, round(test_fraction * len(order)))])
