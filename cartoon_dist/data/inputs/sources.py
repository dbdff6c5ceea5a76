"""Which pictures a shard job reads: folders, globs, files, lists and videos, as one sorted list without repeats."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cartoon_dist.data.format.sample import Split
from cartoon_dist.data.inputs.arguments import Inputs
from cartoon_dist.data.inputs.scenes import pick_test_scenes, read_scenes
from cartoon_dist.data.inputs.search import LeftOut
from cartoon_dist.errors import PictureError


@dataclass(frozen=True)
class Frame:
    """Where a picture lies in a video: its presentation time in the stream's units, and the name of its scene.

    `box` is the part without black bars: left, top, right, bottom in stored pixels. `looks` is the likeness by which
    near-duplicates were dropped, in hexadecimal digits.
    """

    pts: int
    scene: str
    box: tuple[int, int, int, int]
    looks: str


@dataclass(frozen=True)
class Shot:
    """A frame that was chosen out of a video, and the time code it is called by."""

    timecode: str
    frame: Frame


FramesOf = Callable[[Path, str], Sequence[Shot]]
"""Chooses the frames of a video, given its path and its name below the job's root."""


@dataclass(frozen=True)
class Source:
    """One input picture; `name` is its path below the job's root, with forward slashes.

    A frame of a video has the video's path and its time code for a name, and the video's size in `bytes`. `map_bytes`
    is the size of a label that somebody else made, 0 where it is missing, None where labels are made here.
    """

    name: str
    scene: str
    split: Split
    bytes: int
    frame: Frame | None = None
    map_bytes: int | None = None

    @property
    def file(self) -> str:
        """The path of the file below the job's root that holds the picture."""
        return self.name if self.frame is None else self.name.rpartition("/")[0]

    @property
    def title(self) -> str:
        """A file name to make a key of: a frame's begins with its time code."""
        if self.frame is None:
            return self.name
        film, _, time = self.name.rpartition("/")
        return f"{time.replace('.', '-')} {PurePosixPath(film).name}"


@dataclass(frozen=True)
class Sources:
    """All input pictures in the order of their names, and the folder that holds them all."""

    root: str
    pictures: tuple[Source, ...]


def find_sources(
    inputs: Sequence[str],
    *,
    test_fraction: float,
    seed: int,
    frames_of: FramesOf,
    left: LeftOut | None = None,
    apart: Mapping[str, str] | None = None,
) -> Sources:
    """Resolve inputs: a folder is searched through, a .txt file lists a path a line, the rest are files or globs.

    A video stands for the frames that are chosen of it; each of its scenes is one, unless a scenes.csv names the video.
    Names are relative to the deepest folder above all inputs, so that shards do not depend on where the pictures lie.
    `left` is told what was not taken; `apart` holds the real paths of folders that are left out, and why. Raises
    PictureError for an input without pictures and ShardError for a broken scenes.csv.
    """
    found = Inputs(left if left is not None else LeftOut(), apart or {})
    for text in inputs:
        found.take(text)
    if not found.sizes:
        raise PictureError(f"{inputs[0]}: no pictures in it; {'; '.join(found.left.lines())}")
    root = os.path.commonpath(found.roots)
    begin = len(root.rstrip("/")) + 1
    scenes = _Scenes(root, found.sizes)
    chosen: list[tuple[str, str, int, Frame | None]] = []
    for path in _in_order(found.sizes, begin, root):
        name, scene, num_bytes = path[begin:], scenes.of(path), found.sizes[path]
        if path in found.films:
            for shot in frames_of(Path(path), name):
                whose = scene or f"{name}/{shot.frame.scene}"
                chosen.append((f"{name}/{shot.timecode}", whose, num_bytes, shot.frame))
        else:
            chosen.append((name, scene or name, num_bytes, None))
    test = pick_test_scenes({scene for _, scene, _, _ in chosen}, test_fraction=test_fraction, seed=seed)
    return Sources(
        root,
        tuple(
            Source(name, scene, "test" if scene in test else "train", num_bytes, frame)
            for name, scene, num_bytes, frame in chosen
        ),
    )


def _in_order(paths: Mapping[str, int], begin: int, root: str) -> list[str]:
    """The paths in the order of their names below the root; PictureError for a name that is not UTF-8."""
    ordered = sorted(paths)
    try:
        "".join(ordered).encode()
    except UnicodeEncodeError:
        for path in ordered:
            readable = os.fsencode(path[begin:]).decode("utf-8", "backslashreplace")
            if readable != path[begin:]:
                raise PictureError(f"{root}: the file name '{readable}' is not UTF-8; rename it") from None
    return ordered


class _Scenes:
    """Looks a picture up in the scenes.csv beside it, or in the folders above it as far as the root."""

    def __init__(self, root: str, known: Mapping[str, int]) -> None:
        self._root, self._known = root, known
        self._above: dict[str, tuple[tuple[int, dict[str, str]], ...]] = {}

    def of(self, picture: str) -> str | None:
        """The scene that the nearest scenes.csv gives a picture; None where none names it."""
        for begin, scenes in self._chain(picture.rpartition("/")[0]):
            scene = scenes.get(picture[begin:])
            if scene is not None:
                return scene
        return None

    def _chain(self, folder: str) -> tuple[tuple[int, dict[str, str]], ...]:
        """The scenes.csv of a folder and of those above it, the nearest first, each with where names in it begin."""
        if folder not in self._above:
            own = read_scenes(Path(folder or "/"), self._known)
            above = () if (folder or "/") == self._root else self._chain(folder.rpartition("/")[0])
            self._above[folder] = ((len(folder) + 1, own), *above) if own else above
        return self._above[folder]
