"""List files: the paths of pictures, a line each, as any editor or `ls` writes them."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from cartoon_dist.errors import PictureError
from cartoon_dist.files.bounded import read_text

LIST_SUFFIX = ".txt"
"""Inputs with this suffix are lists of inputs."""


def read_list(path: Path) -> Iterator[tuple[int, str]]:
    """The paths in a list file, each with its line number; relative ones start at the list's own folder.

    Empty lines and lines that begin with # are skipped, spaces and quotes around a path are removed, and
    backslashes separate folders unless a file has such a name. Raises PictureError for a file that is no text, or
    that lists nothing.
    """
    empty = True
    for line_number, line in enumerate(read_text(path, PictureError).split("\n"), start=1):
        word = line.strip()
        if word and not word.startswith("#"):
            empty = False
            yield line_number, _resolve(str(path.parent), word)
    if empty:
        raise PictureError(f"{path}: an empty list; give one path a line")


def _resolve(folder: str, word: str) -> str:
    """The path that a line means: as it is written, or with the separators of Windows."""
    unquoted = word[1:-1] if len(word) > 1 and word[0] == word[-1] in "\"'" else word
    for name in (word, unquoted, unquoted.replace("\\", "/"), os.path.expanduser(unquoted)):  # noqa: PTH111
        path = os.path.join(folder, name)  # noqa: PTH118 (a Path for each of many lines takes long)
        if os.path.exists(path):  # noqa: PTH110 (and this takes names that are too long)
            return path
    return os.path.join(glob.escape(folder), unquoted)  # noqa: PTH118 (a pattern, or missing: the caller reports it)
