"""Paths as strings with forward slashes on every system: for lists of many files, where a Path for each is slow.

Windows takes forward slashes too. A drive's own folder is `C:/`, as `C:` means another one there.
"""

import os
from collections.abc import Sequence

_paths = os.path


def absolute_path(path: str | os.PathLike[str]) -> str:
    """The path from the root or the drive on; links are not followed."""
    return _forward(_paths.abspath(path))


def real_path(path: str | os.PathLike[str]) -> str:
    """The same with all links followed."""
    return _forward(_paths.realpath(path))


def common_path(paths: Sequence[str]) -> str:
    """The deepest folder above all absolute paths; ValueError where they are on different drives."""
    return _forward(_paths.commonpath(paths))


def folder_of(path: str) -> str:
    """The folder that an absolute path lies in; of the root itself the root."""
    above = path.rpartition("/")[0]
    return f"{above}/" if not above or above.endswith(":") else above


def _forward(path: str) -> str:
    return path.replace("\\", "/") if _paths.sep == "\\" else path
