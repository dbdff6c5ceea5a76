"""Turns the inputs of a shard job (folders, globs, files, lists, videos) into one sorted list of pictures."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cartoon_dist.data.format.sample import Split
from cartoon_dist.data.inputs.arguments import InputCollector
from cartoon_dist.data.inputs.scenes import pick_test_scenes, read_scenes
from cartoon_dist.data.inputs.search import IgnoredFiles, suffix_of
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.extras import is_installed, missing
from cartoon_dist.files.slashes import common_path, folder_of
from cartoon_dist.image.file_kinds import HEIC_SUFFIXES, IMAGE_SUFFIXES


@dataclass(frozen=True)
class FrameLocation:
    """Where a picture lies in a video: its presentation time in the stream's units, and the name of its scene.

    `box` is the part without black bars: left, top, right, bottom in stored pixels. `looks` is the perceptual hash by
    which near-duplicates were dropped, in 32 hexadecimal digits.
    """

    pts: int
    scene: str
    box: tuple[int, int, int, int]
    looks: str


@dataclass(frozen=True)
class ChosenFrame:
    """A frame that was chosen from a video, and the time code that names it."""

    timecode: str
    frame: FrameLocation


FrameChooser = Callable[[Path, str], Sequence[ChosenFrame]]
"""Chooses the frames of a video, from its path and its name below the job's root."""


@dataclass(frozen=True)
class InputPicture:
    """One input picture; `name` is its path below the job's root, with forward slashes.

    The `name` of a video's frame is the video's path and the time code; its `bytes` are the video's size. `map_bytes`
    is the size of the label from `saliency.external`, 0 where it is missing, None where labels are computed here.
    """

    name: str
    scene: str
    split: Split
    bytes: int
    frame: FrameLocation | None = None
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
        video, _, time = self.name.rpartition("/")
        return f"{time.replace('.', '-')} {PurePosixPath(video).name}"


@dataclass(frozen=True)
class PictureList:
    """All input pictures in the order of their names, and the folder that holds them all."""

    root: str
    pictures: tuple[InputPicture, ...]


def find_pictures(
    inputs: Sequence[str],
    *,
    test_fraction: float,
    seed: int,
    choose_frames: FrameChooser,
    ignored: IgnoredFiles | None = None,
    excluded: Mapping[str, str] | None = None,
    suffixes: Collection[str] = IMAGE_SUFFIXES,
) -> PictureList:
    """Resolve inputs: a folder is searched through, a .txt file lists a path a line, the rest are files or globs.

    Of a video frames are chosen; each of its scenes is one for the split, unless a scenes.csv names the video.
    Names are relative to the deepest folder above all inputs, so that shards do not depend on where the pictures lie.
    Files that were not taken are added to `ignored`; `excluded` has the real paths of folders to skip, and why;
    `suffixes` are those of pictures. Raises PictureError for an input without pictures, ShardError for a broken
    scenes.csv and ConfigError for HEIC files without the library that reads them.
    """
    collected = InputCollector(ignored if ignored is not None else IgnoredFiles(), excluded or {}, suffixes)
    for text in inputs:
        collected.add(text)
    if not collected.sizes:
        raise PictureError(f"{inputs[0]}: no pictures in it; {'; '.join(collected.ignored.lines())}")
    _require_heic_reader(collected.sizes)
    try:
        root = common_path(collected.roots)
    except ValueError:  # Windows
        raise PictureError(f"{inputs[0]}: the inputs are on different drives; copy them to one") from None
    begin = len(root.rstrip("/")) + 1
    scenes = _SceneLookup(root, collected.sizes)
    listed: list[tuple[str, str, int, FrameLocation | None]] = []
    for path in _in_order(collected.sizes, begin, root):
        name, scene, num_bytes = path[begin:], scenes.find(path), collected.sizes[path]
        if path in collected.videos:
            for chosen in choose_frames(Path(path), name):
                frame_scene = scene or f"{name}/{chosen.frame.scene}"
                listed.append((f"{name}/{chosen.timecode}", frame_scene, num_bytes, chosen.frame))
        else:
            listed.append((name, scene or name, num_bytes, None))
    test = pick_test_scenes({scene for _, scene, _, _ in listed}, test_fraction=test_fraction, seed=seed)
    return PictureList(
        root,
        tuple(
            InputPicture(name, scene, "test" if scene in test else "train", num_bytes, frame)
            for name, scene, num_bytes, frame in listed
        ),
    )


def _require_heic_reader(paths: Collection[str]) -> None:
    """Else the shards would hold fewer pictures on a machine that lacks the library."""
    heics = [path for path in paths if suffix_of(path) in HEIC_SUFFIXES]
    if heics and not is_installed("heic"):
        raise ConfigError(f"{heics[0]}: {missing('pillow-heif', 'heic')}; or leave the HEIC files out ({len(heics)})")


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


class _SceneLookup:
    """Finds a picture's scene in the scenes.csv of its folder, or of the folders above it up to the root."""

    def __init__(self, root: str, known: Mapping[str, int]) -> None:
        self._root, self._known = root, known
        self._above: dict[str, tuple[tuple[int, dict[str, str]], ...]] = {}

    def find(self, picture: str) -> str | None:
        """The scene that the nearest scenes.csv gives a picture; None where none names it."""
        for begin, scenes in self._chain(folder_of(picture)):
            scene = scenes.get(picture[begin:])
            if scene is not None:
                return scene
        return None

    def _chain(self, folder: str) -> tuple[tuple[int, dict[str, str]], ...]:
        """The scenes.csv of a folder and of those above it, the nearest first, each with where names in it begin."""
        if folder not in self._above:
            own = read_scenes(Path(folder), self._known)
            above = () if folder == self._root else self._chain(folder_of(folder))
            self._above[folder] = ((len(folder.rstrip("/")) + 1, own), *above) if own else above
        return self._above[folder]
