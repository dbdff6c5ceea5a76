"""Which pictures a shard job reads: folders, globs, files, lists and videos, as one sorted list without repeats."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from cartoon_dist.data.sample import Split
from cartoon_dist.data.scenes import pick_test_scenes, read_scenes
from cartoon_dist.errors import PictureError
from cartoon_dist.pixels.header import SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m2ts", ".mts", ".vob", ".wmv", ".flv", ".ogv"}
)
"""Inputs whose names end so are videos. They are taken when they are named, not when a folder is searched."""


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


def find_sources(inputs: Sequence[str], *, test_fraction: float, seed: int, frames_of: FramesOf) -> Sources:
    """Resolve inputs: a folder is searched through, a .txt file lists a path a line, the rest are files or globs.

    A video stands for the frames that are chosen of it; each of its scenes is one, unless a scenes.csv names the video.
    Names are relative to the deepest folder above all inputs, so that shards do not depend on where the pictures lie.
    Raises PictureError for an input without pictures and ShardError for a broken scenes.csv.
    """
    found: dict[Path, None] = {}
    roots: list[Path] = []
    for text in inputs:
        pictures, root = _expand(text)
        found |= dict.fromkeys(pictures)
        roots.append(root)
    root = Path(os.path.commonpath(roots))
    scene_of = _scene_lookup(root)
    sources: list[Source] = []
    for name, path in sorted((_name(path, root), path) for path in found):
        scene, num_bytes = scene_of(path), _bytes(path)
        if _is_video(path):
            for shot in frames_of(path, name):
                whose = scene or f"{name}/{shot.frame.scene}"
                sources.append(Source(f"{name}/{shot.timecode}", whose, "train", num_bytes, shot.frame))
        else:
            sources.append(Source(name, scene or name, "train", num_bytes))
    test = pick_test_scenes({source.scene for source in sources}, test_fraction=test_fraction, seed=seed)
    return Sources(str(root), tuple(replace(s, split="test") if s.scene in test else s for s in sources))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _expand(text: str) -> tuple[list[Path], Path]:
    """The pictures that one input names, as absolute paths, and the folder that they are under."""
    path = _absolute(text)
    if path.is_dir():
        pictures, root = list(pictures_under(path)), path
    elif path.is_file() and path.suffix.lower() == ".txt":
        return _listed(path)
    elif path.is_file():
        return [path], path.parent
    else:
        pictures = sorted(_absolute(match) for match in glob.glob(text, recursive=True))  # noqa: PTH207 (keeps absolute patterns)
        pictures = [
            match for match in pictures if match.is_file() and match.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES
        ]
        if not pictures:
            raise PictureError(f"{text}: no such file or folder, and no picture matches it; check the path")
        root = Path(os.path.commonpath([picture.parent for picture in pictures]))
    if not pictures:
        films = sum(map(_is_video, path.rglob("*")))
        instead = f"; name its {films} videos themselves" if films else ""
        raise PictureError(f"{text}: no pictures in it; give a folder that holds {_suffixes()} files{instead}")
    return pictures, root


def _listed(path: Path) -> tuple[list[Path], Path]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise PictureError(f"{path}: not UTF-8 text; give a list file with one path a line") from None
    expanded = [_expand(line.strip()) for line in lines if line.strip()]
    if not expanded:
        raise PictureError(f"{path}: an empty list; give one path a line")
    pictures = [picture for some, _ in expanded for picture in some]
    return pictures, Path(os.path.commonpath([root for _, root in expanded]))


def pictures_under(folder: Path) -> Iterator[Path]:
    """All files under a folder that are named like pictures; PictureError for a folder that cannot be read."""
    seen = {os.path.realpath(folder)}
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_refuse):
        # A link to a folder above would go round for ever; sorted, so that the same one of two links is followed.
        folders[:] = [name for name in sorted(folders) if _is_new(Path(place, name), seen)]
        yield from (Path(place, file) for file in files if Path(file).suffix.lower() in SUFFIXES)


def _is_new(folder: Path, seen: set[str]) -> bool:
    real = os.path.realpath(folder)
    is_new = real not in seen
    seen.add(real)
    return is_new


def _refuse(error: OSError) -> None:
    raise PictureError(f"{error.filename}: cannot be read ({error.strerror}); make it readable or leave it out")


def _scene_lookup(root: Path) -> Callable[[Path], str | None]:
    """Look a picture up in the scenes.csv beside it, or in the folders above it as far as the root."""
    cached = lru_cache(maxsize=None)(read_scenes)

    def scene_of(picture: Path) -> str | None:
        for folder in picture.parents:
            scene = cached(folder).get(picture.relative_to(folder).as_posix())
            if scene is not None or folder == root:
                return scene
        return None

    return scene_of


def _name(path: Path, root: Path) -> str:
    name = path.relative_to(root).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        readable = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise PictureError(f"{root}: the file name '{readable}' is not UTF-8; rename it") from None
    return name


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # a link to nowhere; who decodes it will say so


def _absolute(text: str) -> Path:
    # Links are kept: a set of links to pictures kept elsewhere has the names of the links.
    return Path(os.path.abspath(text))  # noqa: PTH100 (resolve would follow links)


def _suffixes() -> str:
    return " ".join(sorted(SUFFIXES))
