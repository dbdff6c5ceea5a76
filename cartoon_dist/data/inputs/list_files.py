"""List files: the paths of pictures, a line each, as any editor or `ls` writes them."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import read_text

SUFFIX = ".txt"
"""An input whose name ends so is a list of inputs."""


def listed(path: Path) -> Iterator[tuple[int, str]]:
    """The paths that a list file names, each with the number of its line; relative ones from the list's own folder.

    Empty lines and lines that begin with # are passed over, spaces around a path and quotes about it are left out,
    and backslashes divide folders where no file is named with them. Raises PictureError for a file that is no text, or
    that lists nothing.
    """
    empty = True
    for number, line in enumerate(read_text(path, PictureError).split("\n"), start=1):
        word = line.strip()
        if word and not word.startswith("#"):
            empty = False
            yield number, _found(str(path.parent), word)
    if empty:
        raise PictureError(f"{path}: an empty list; give one path a line")


def _found(folder: str, word: str) -> str:
    """The path that is meant by a word: as it is written, or as Windows writes it."""
    bare = word[1:-1] if len(word) > 1 and word[0] == word[-1] in "\"'" else word
    for name in (word, bare, bare.replace("\\", "/"), os.path.expanduser(bare)):  # noqa: PTH111
        path = os.path.join(folder, name)  # noqa: PTH118 (a Path for each of many lines takes long)
        if os.path.exists(path):  # noqa: PTH110 (and this takes names that are too long)
            return path
    return os.path.join(glob.escape(folder), bare)  # noqa: PTH118 (a pattern, or nothing: who looks for it will say so)
