"""Which pictures a shard job reads: folders, globs, files and list files, as one sorted list without repeats."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cartoon_dist.data.sample import Split
from cartoon_dist.data.scenes import pick_test_scenes, read_scenes
from cartoon_dist.errors import PictureError
from cartoon_dist.pixels.header import SUFFIXES


@dataclass(frozen=True)
class Source:
    """One input picture; `name` is its path below the job's root, with forward slashes."""

    name: str
    scene: str
    split: Split
    bytes: int


@dataclass(frozen=True)
class Sources:
    """All input pictures in the order of their names, and the folder that holds them all."""

    root: str
    pictures: tuple[Source, ...]


def find_sources(inputs: Sequence[str], *, test_fraction: float, seed: int) -> Sources:
    """Resolve inputs: a folder is searched through, a .txt file lists a path a line, the rest are files or globs.

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
    named = sorted((_name(path, root), path) for path in found)
    scenes = {name: scene_of(path) or name for name, path in named}
    test = pick_test_scenes(scenes.values(), test_fraction=test_fraction, seed=seed)
    return Sources(
        root=str(root),
        pictures=tuple(
            Source(name, scenes[name], "test" if scenes[name] in test else "train", _bytes(path))
            for name, path in named
        ),
    )


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
        pictures = [match for match in pictures if match.is_file() and match.suffix.lower() in SUFFIXES]
        if not pictures:
            raise PictureError(f"{text}: no such file or folder, and no picture matches it; check the path")
        root = Path(os.path.commonpath([picture.parent for picture in pictures]))
    if not pictures:
        raise PictureError(f"{text}: no pictures in it; give a folder that holds {_suffixes()} files")
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
