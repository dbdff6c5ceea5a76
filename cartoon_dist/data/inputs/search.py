"""Searches folders for pictures, and counts the files that are not taken.

Files of an operating system (`._photo.jpg`, `Thumbs.db`) and folders that this program wrote (shards, runs) are
skipped. Files of other kinds are counted by their suffix, so that a user sees which pictures are missing.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from cartoon_dist.console.messages import first_few, pluralize
from cartoon_dist.data.inputs.scenes import SCENES
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.folder_kinds import folder_kind, require_pictures_folder
from cartoon_dist.files.slashes import real_path
from cartoon_dist.files.system_files import is_system_file, is_system_folder
from cartoon_dist.image.file_kinds import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m2ts", ".mts", ".ts", ".m2v", ".vob", ".wmv"}
    | {".flv", ".ogv", ".3gp", ".mxf"}
)
"""The suffixes of videos. Videos are taken when they are named, not when a folder is searched."""
_OWN_FILES = frozenset({"config.yaml", "manifest.json", "job.json", "made_from.json", "fetched.json", "tables.md"})
"""Only a folder with one of these, or a name that _may_be_own_folder knows, can be one that this program wrote."""
_OWN_ENDINGS = (".index.json", ".tar", ".safetensors")
_SUFFIX = re.compile(r"\.[\w-]{1,12}")
_NUM_KINDS = 8
NUM_PATHS = 20
"""How many files that were not taken are told by their path."""
_NUM_THREADS, _FILES_PER_TASK = 16, 500
"""How many threads ask for file sizes, and for how many files at a time."""


@dataclass
class IgnoredFiles:
    """What a search did not take: files by suffix and names of system files, with counts; folders, with the reason."""

    suffixes: Counter[str] = field(default_factory=Counter)
    system: Counter[str] = field(default_factory=Counter)
    folders: dict[str, str] = field(default_factory=dict)
    maps: str = ""
    """The files that were not taken as labels for `saliency.external`, in words."""
    paths: list[str] = field(default_factory=list)
    """The first files that were not taken, at most NUM_PATHS; those of the system left out."""
    num_drawings: int = 0
    """Drawings of this program that lie with the pictures of which they were made."""

    def add(self, name: str, folder: str = "") -> None:
        """Count a file that was not taken, in a folder where its path is to be told."""
        if is_system_file(name):
            self.system[name] += 1
        elif name != SCENES:
            suffix = suffix_of(name)
            self.suffixes[suffix if _SUFFIX.fullmatch(suffix) else ""] += 1
            if folder and len(self.paths) < NUM_PATHS:
                self.paths.append(f"{folder}/{name}")

    def merge(self, other: "IgnoredFiles") -> None:
        """Add what another search did not take."""
        self.suffixes += other.suffixes
        self.system += other.system
        self.folders |= other.folders
        self.paths = [*self.paths, *other.paths][:NUM_PATHS]
        self.num_drawings += other.num_drawings

    @property
    def num_videos(self) -> int:
        """How many videos are among the files."""
        return sum(self.suffixes[suffix] for suffix in VIDEO_SUFFIXES)

    def in_words(self) -> str:
        """`not taken: 2 .avif, 1 .heic, 3 of the system (.DS_Store, ._a.jpg, ...)`; empty when all was taken."""
        kinds = sorted(self.suffixes.items(), key=lambda kind: (-kind[1], not kind[0], kind[0]))
        parts = [f"{times} {suffix or 'without a suffix'}" for suffix, times in kinds[:_NUM_KINDS]]
        if len(kinds) > _NUM_KINDS:
            parts.append(f"{sum(times for _, times in kinds[_NUM_KINDS:])} of {len(kinds) - _NUM_KINDS} other kinds")
        if self.system:
            parts.append(f"{self.system.total()} of the system ({first_few(sorted(self.system))})")
        if self.num_drawings:
            parts.append(f"{pluralize(self.num_drawings, 'drawing')} of this program")
        if self.folders:
            parts.append("1 folder" if len(self.folders) == 1 else f"{len(self.folders)} folders")
        return f"not taken: {', '.join(parts)}" if parts else ""

    def lines(self) -> Iterator[str]:
        """The same as lines, with the folders' names; none when all was taken."""
        if self.in_words():
            yield self.in_words()
        for folder, reason in self.folders.items():
            yield f"left out {folder}: it is {reason}"
        if self.maps:
            yield f"of the maps {self.maps}"


def is_picture(name: str, suffixes: Collection[str] = IMAGE_SUFFIXES) -> bool:
    """Whether a name is that of a picture, by its suffix."""
    return suffix_of(name) in suffixes and not name.startswith("._")


def is_video(name: str) -> bool:
    """Whether a name is that of a video, by its suffix."""
    return suffix_of(name) in VIDEO_SUFFIXES


def suffix_of(name: str) -> str:
    """The suffix in lower case: `.jpg` of `a.JPG`, empty for `.jpg`. Faster than a Path for each of many files."""
    dot = name.rfind(".")
    return name[dot:].lower() if name[:dot].strip(".") and dot > 0 else ""


def require_outside(target: Path, source: Path, *, made: str) -> None:
    """ConfigError where an output is the folder of the input pictures or inside it; `made` says what is written."""
    inner, outer = Path(os.path.realpath(target)), Path(os.path.realpath(source))
    if inner == outer or outer in inner.parents:
        where = "the folder of the pictures" if inner == outer else f"inside {source}"
        raise ConfigError(f"{target}: is {where}, so {made} would be taken for pictures; name a folder outside of it")


class ExcludedFolders:
    """Checks whether a file that matches a pattern lies in a folder that a search, `_walk`, would skip."""

    def __init__(self, ignored: IgnoredFiles, excluded: Mapping[str, str]) -> None:
        self._ignored, self._excluded = ignored, excluded
        self._checked: dict[str, bool] = {}

    def contain(self, folder: str, root: str) -> bool:
        """Whether a folder, or one between it and the root, is skipped; it is then added to the ignored ones."""
        if len(folder) <= len(root):
            return False
        if folder not in self._checked:
            above, _, name = folder.rpartition("/")
            self._checked[folder] = self.contain(above, root) or self._is_excluded(folder, name)
        return self._checked[folder]

    def _is_excluded(self, folder: str, name: str) -> bool:
        if is_system_folder(name):
            self._ignored.system[name] += 1
            return True
        reason = self._excluded.get(real_path(folder)) or folder_kind(Path(folder))
        if reason:
            self._ignored.folders[folder] = reason
        return bool(reason)


def sizes_under(
    folder: str,
    ignored: IgnoredFiles,
    excluded: Mapping[str, str] | None = None,
    suffixes: Collection[str] = IMAGE_SUFFIXES,
) -> dict[str, int]:
    """The paths of all pictures under a folder, each with its size in bytes (0 for a link to nowhere).

    excluded: real paths of folders to skip, with the reason. suffixes: those of pictures. PictureError for a folder
    that cannot be read, or that this program wrote.
    """
    walked = _walk(folder, ignored, excluded or {}, suffixes)
    entries = [(parent, entry) for parent, pictures in walked for entry in pictures]
    parts = [entries[begin : begin + _FILES_PER_TASK] for begin in range(0, len(entries), _FILES_PER_TASK)]
    # A network disk answers many questions in the time of one.
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        return dict(chain.from_iterable(pool.map(_sizes, parts)))


def _sizes(entries: Sequence[tuple[str, os.DirEntry[str]]]) -> list[tuple[str, int]]:
    sizes = []
    for parent, entry in entries:
        try:
            sizes.append((f"{parent}/{entry.name}", entry.stat().st_size))
        except OSError:
            sizes.append((f"{parent}/{entry.name}", 0))  # the decoder reports it
    return sizes


def pictures_under(folder: Path, ignored: IgnoredFiles | None = None) -> list[Path]:
    """All pictures under a folder, in the order of their paths; errors as of `sizes_under`."""
    entries = _walk(str(folder), IgnoredFiles() if ignored is None else ignored, {}, IMAGE_SUFFIXES)
    return sorted(Path(parent, entry.name) for parent, pictures in entries for entry in pictures)


def _walk(
    folder: str, ignored: IgnoredFiles, excluded: Mapping[str, str], suffixes: Collection[str]
) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """Each folder and the pictures in it. Links are followed, and each folder is searched once."""
    start = real_path(folder)
    seen, waiting = {start}, [(folder.rstrip("/"), start)]
    while waiting:
        parent, real = waiting.pop()
        reason = excluded.get(real)
        entries = [] if reason else _scan_folder(parent)
        if not reason and _may_be_own_folder(parent, entries):
            if real == start:
                require_pictures_folder(Path(folder))
            reason = folder_kind(Path(parent))
        if reason:
            ignored.folders[parent] = reason
            continue
        pictures, inner, others = [], [], []
        for entry in entries:
            if _is_folder(entry):
                inner.append(entry)
            elif is_picture(entry.name, suffixes):
                pictures.append(entry)
            else:
                others.append(entry.name)
        for name in sorted(others):
            ignored.add(name, parent)
        # Sorted, so that the same one of two links to a folder is followed.
        waiting += reversed(
            list(_unseen_folders(sorted(inner, key=lambda entry: entry.name), parent, real, seen, ignored))
        )
        yield parent, pictures


def _unseen_folders(
    folders: Sequence[os.DirEntry[str]], parent: str, real: str, seen: set[str], ignored: IgnoredFiles
) -> Iterator[tuple[str, str]]:
    """The path and real path of each folder not seen yet: a link to a parent folder would never end."""
    for entry in folders:
        if is_system_folder(entry.name):
            ignored.system[entry.name] += 1
            continue
        path = f"{parent}/{entry.name}"
        followed = real_path(path) if entry.is_symlink() else f"{real.rstrip('/')}/{entry.name}"
        if followed not in seen:
            seen.add(followed)
            yield path, followed


def _scan_folder(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(f"{folder}/") as entries:
            return list(entries)
    except OSError as error:
        raise PictureError(
            f"{folder or '/'}: cannot be read ({error.strerror}); make it readable or leave it out"
        ) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _may_be_own_folder(folder: str, entries: Sequence[os.DirEntry[str]]) -> bool:
    """Whether this program may have written a folder; a quick check before the slow `folder_kind`."""
    names = [entry.name for entry in entries]
    return (
        not _OWN_FILES.isdisjoint(names)
        or any(name.startswith("step-") or name.endswith(_OWN_ENDINGS) for name in names)
        or folder.endswith("/samples")
    )
