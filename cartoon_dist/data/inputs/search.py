"""Looking through folders for pictures: what is taken, and an account of what is not.

Files of an operating system (`._photo.jpg`, `Thumbs.db`) and folders that this program wrote (shards, runs) are passed
over; files of other kinds are counted by their suffix, so that no picture is missing without a word.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from cartoon_dist.data.inputs.scenes import SCENES
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.folder_kinds import kind_of_folder, require_pictures_folder
from cartoon_dist.files.system_files import is_system_file, is_system_folder
from cartoon_dist.image.header import SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m2ts", ".mts", ".ts", ".m2v", ".vob", ".wmv"}
    | {".flv", ".ogv", ".3gp", ".mxf"}
)
"""Inputs whose names end so are videos. They are taken when they are named, not when a folder is searched."""
_MARKS = frozenset({"config.yaml", "manifest.json", "job.json", "made_from.json", "fetched.json", "tables.md"})
"""Only a folder that holds one of these, or a name with one of the endings or the beginning below, may be ours."""
_MARKING_ENDINGS = (".index.json", ".tar", ".safetensors")
_SUFFIX = re.compile(r"\.[\w-]{1,12}")
_NUM_KINDS, _NUM_NAMED = 8, 3
_NUM_ASKING, _PART = 16, 500
"""So many threads ask for the sizes of so many files at a time."""


@dataclass
class LeftOut:
    """What searches did not take: files by their suffix, names of the system's files, and folders, each with why."""

    suffixes: Counter[str] = field(default_factory=Counter)
    system: Counter[str] = field(default_factory=Counter)
    folders: dict[str, str] = field(default_factory=dict)
    maps: str = ""
    """What was not taken for a label that somebody else made, in words."""

    def add(self, name: str) -> None:
        """Count a file that was not taken."""
        if is_system_file(name):
            self.system[name] += 1
        elif name != SCENES:
            suffix = suffix_of(name)
            self.suffixes[suffix if _SUFFIX.fullmatch(suffix) else ""] += 1

    def merge(self, other: "LeftOut") -> None:
        """Take over what another search did not take."""
        self.suffixes += other.suffixes
        self.system += other.system
        self.folders |= other.folders

    @property
    def num_films(self) -> int:
        """How many videos are among the files."""
        return sum(self.suffixes[suffix] for suffix in VIDEO_SUFFIXES)

    def in_words(self) -> str:
        """`not taken: 2 .avif, 1 .heic, 3 of the system (.DS_Store, ._a.jpg, ...)`; empty when all was taken."""
        kinds = sorted(self.suffixes.items(), key=lambda kind: (-kind[1], not kind[0], kind[0]))
        told = [f"{times} {suffix or 'without a suffix'}" for suffix, times in kinds[:_NUM_KINDS]]
        if len(kinds) > _NUM_KINDS:
            told.append(f"{sum(times for _, times in kinds[_NUM_KINDS:])} of {len(kinds) - _NUM_KINDS} other kinds")
        if self.system:
            told.append(f"{self.system.total()} of the system ({_few(sorted(self.system))})")
        if self.folders:
            told.append("1 folder" if len(self.folders) == 1 else f"{len(self.folders)} folders")
        return f"not taken: {', '.join(told)}" if told else ""

    def lines(self) -> Iterator[str]:
        """The same for a person to read, with the folders' names; nothing when all was taken."""
        if self.in_words():
            yield self.in_words()
        for folder, why in self.folders.items():
            yield f"left out {folder}: it is {why}"
        if self.maps:
            yield f"of the maps {self.maps}"


def is_picture(name: str) -> bool:
    """Whether a file is taken for a picture when a folder is searched."""
    return suffix_of(name) in SUFFIXES and not name.startswith("._")


def is_video(name: str) -> bool:
    """Whether a file that is named is taken for a video."""
    return suffix_of(name) in VIDEO_SUFFIXES


def suffix_of(name: str) -> str:
    """`.jpg` of `a.JPG`, empty for `.jpg`; a Path for each of many files would take long."""
    dot = name.rfind(".")
    return name[dot:].lower() if name[:dot].strip(".") and dot > 0 else ""


def require_outside(target: Path, source: Path, *, made: str) -> None:
    """ConfigError where an output is the folder of the input pictures or inside it; `made` says what is written."""
    inner, outer = Path(os.path.realpath(target)), Path(os.path.realpath(source))
    if inner == outer or outer in inner.parents:
        where = "the folder of the pictures" if inner == outer else f"inside {source}"
        raise ConfigError(f"{target}: is {where}, so {made} would be taken for pictures; name a folder outside of it")


class OwnFolders:
    """Which folders above files are left out of what a pattern matches: those of `_walk`."""

    def __init__(self, left: LeftOut, apart: Mapping[str, str]) -> None:
        self._left, self._apart = left, apart
        self._asked: dict[str, bool] = {}

    def hold(self, folder: str, root: str) -> bool:
        """Whether a folder, or one above it and below the root, is left out; it is told then."""
        if len(folder) <= len(root):
            return False
        if folder not in self._asked:
            above, _, name = folder.rpartition("/")
            self._asked[folder] = self.hold(above, root) or self._leaves_out(folder, name)
        return self._asked[folder]

    def _leaves_out(self, folder: str, name: str) -> bool:
        if is_system_folder(name):
            self._left.system[name] += 1
            return True
        why = self._apart.get(os.path.realpath(folder)) or kind_of_folder(Path(folder))
        if why:
            self._left.folders[folder] = why
        return bool(why)


def sizes_under(folder: str, left: LeftOut, apart: Mapping[str, str] | None = None) -> dict[str, int]:
    """The paths of all pictures under a folder, each with its size in bytes (0 for a link to nowhere).

    apart: folders, by their real paths, that are left out, and why. PictureError for a folder that cannot be read, or
    that this program wrote.
    """
    found = [(place, entry) for place, pictures in _walk(folder, left, apart or {}) for entry in pictures]
    parts = [found[begin : begin + _PART] for begin in range(0, len(found), _PART)]
    # A disk that lies elsewhere answers many questions in the time of one.
    with ThreadPoolExecutor(_NUM_ASKING) as pool:
        return dict(chain.from_iterable(pool.map(_sizes, parts)))


def _sizes(found: Sequence[tuple[str, os.DirEntry[str]]]) -> list[tuple[str, int]]:
    sizes = []
    for place, entry in found:
        try:
            sizes.append((f"{place}/{entry.name}", entry.stat().st_size))
        except OSError:
            sizes.append((f"{place}/{entry.name}", 0))  # who decodes it will say so
    return sizes


def pictures_under(folder: Path, left: LeftOut | None = None) -> list[Path]:
    """All pictures under a folder, in the order of their paths; errors as of `sizes_under`."""
    found = _walk(str(folder), LeftOut() if left is None else left, {})
    return sorted(Path(place, entry.name) for place, pictures in found for entry in pictures)


def _walk(folder: str, left: LeftOut, apart: Mapping[str, str]) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder and the pictures in it. Links are followed, and a folder is looked through once."""
    start = os.path.realpath(folder)
    seen, waiting = {start}, [(folder.rstrip("/"), start)]
    while waiting:
        place, real = waiting.pop()
        why = apart.get(real)
        entries = [] if why else _listed(place)
        if not why and _may_be_ours(place, entries):
            if real == start:
                require_pictures_folder(Path(folder))
            why = kind_of_folder(Path(place))
        if why:
            left.folders[place] = why
            continue
        pictures, inner = [], []
        for entry in entries:
            if _is_folder(entry):
                inner.append(entry)
            elif is_picture(entry.name):
                pictures.append(entry)
            else:
                left.add(entry.name)
        # Sorted, so that the same one of two links to a folder is followed.
        waiting += reversed(list(_new(sorted(inner, key=lambda entry: entry.name), place, real, seen, left)))
        yield place, pictures


def _new(
    folders: Sequence[os.DirEntry[str]], place: str, real: str, seen: set[str], left: LeftOut
) -> Iterator[tuple[str, str]]:
    """Those folders that were not seen yet: a link to a folder above would go round for ever."""
    for entry in folders:
        if is_system_folder(entry.name):
            left.system[entry.name] += 1
            continue
        path = f"{place}/{entry.name}"
        lies = os.path.realpath(path) if entry.is_symlink() else f"{real.rstrip('/')}/{entry.name}"
        if lies not in seen:
            seen.add(lies)
            yield path, lies


def _listed(place: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place or "/") as entries:
            return list(entries)
    except OSError as error:
        raise PictureError(
            f"{place or '/'}: cannot be read ({error.strerror}); make it readable or leave it out"
        ) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _may_be_ours(folder: str, entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether it is worth the time to ask what a folder is."""
    names = [entry.name for entry in entries]
    return (
        not _MARKS.isdisjoint(names)
        or any(name.startswith("step-") or name.endswith(_MARKING_ENDINGS) for name in names)
        or folder.endswith("/samples")
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")
