"""The inputs that a user names: folders, globs, files, videos and lists of these."""

import glob
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from cartoon_dist.data.inputs.list_files import LIST_SUFFIX, read_list
from cartoon_dist.data.inputs.not_pictures import explain_no_pictures, explain_not_picture
from cartoon_dist.data.inputs.search import (
    ExcludedFolders,
    IgnoredFiles,
    is_picture,
    is_video,
    pictures_under,
    sizes_under,
)
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.folder_kinds import folder_kind, require_pictures_folder
from cartoon_dist.files.slashes import absolute_path, common_path, folder_of, real_path
from cartoon_dist.files.system_files import is_system_file
from cartoon_dist.image.file_kinds import IMAGE_SUFFIXES

_VIDEO_HINT = "name its {} videos themselves"


class InputCollector:
    """Collects the files of all inputs: `sizes` has the absolute path of each picture and video with its size in bytes,
    `roots` the folder that each input is under; `videos` are the videos among the paths.

    suffixes: those of pictures in a folder or of a pattern.

    Links are not resolved: pictures have the names of the links to them.
    """

    def __init__(
        self, ignored: IgnoredFiles, excluded: Mapping[str, str], suffixes: Collection[str] = IMAGE_SUFFIXES
    ) -> None:
        self.sizes: dict[str, int] = {}
        self.roots: list[str] = []
        self.videos: set[str] = set()
        self.ignored, self._excluded, self._suffixes = ignored, excluded, suffixes
        self._excluded_folders = ExcludedFolders(ignored, excluded)
        self._open_lists: list[str] = []

    def add(self, text: str) -> None:
        """Add an input; PictureError when there is no picture in it, or it cannot be read."""
        path = absolute_path(text)
        mode, num_bytes = _mode_and_size(path)
        if stat.S_ISDIR(mode):
            self._add_folder(text, path)
        elif not mode:
            self._add_matches(text)
        elif not stat.S_ISREG(mode):
            raise PictureError(f"{text}: is neither a file nor a folder; give a file that holds a picture")
        elif path.lower().endswith(LIST_SUFFIX):
            self._add_list(path)
        else:
            self._add_file(text, path, num_bytes)

    def _add_folder(self, text: str, path: str) -> None:
        ignored = IgnoredFiles()
        sizes = sizes_under(path, ignored, self._excluded, self._suffixes)
        self.ignored.merge(ignored)
        if not sizes:
            raise PictureError(explain_no_pictures(text, ignored, video_hint=_VIDEO_HINT))
        self.sizes |= sizes
        self.roots.append(path)

    def _add_file(self, text: str, path: str, num_bytes: int) -> None:
        name = path.rpartition("/")[2]
        if is_system_file(name):
            self.ignored.add(name)
            return
        problem = explain_not_picture(path)
        if problem:
            raise PictureError(f"{text}: {problem}")
        self._add_sizes({path: num_bytes})
        self.roots.append(folder_of(path))

    def _add_matches(self, text: str) -> None:
        matches: dict[str, int] = {}
        for match in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207 (keeps absolute patterns)
            path = absolute_path(match)
            mode, num_bytes = _mode_and_size(path)
            if stat.S_ISREG(mode):
                name = path.rpartition("/")[2]
                if is_picture(name, self._suffixes) or is_video(name):
                    matches[path] = num_bytes
                else:
                    self.ignored.add(name)
        if not matches:
            raise PictureError(f"{text}: no such file or folder, and no picture matches it; check the path")
        root = common_path([folder_of(path) for path in matches])
        require_pictures_folder(Path(root))
        kept = {
            path: size for path, size in matches.items() if not self._excluded_folders.contain(folder_of(path), root)
        }
        if not kept:
            raise PictureError(f"{text}: no pictures match it; {'; '.join(self.ignored.lines())}")
        self._add_sizes(kept)
        self.roots.append(common_path([folder_of(path) for path in kept]))

    def _add_sizes(self, named: Mapping[str, int]) -> None:
        self.sizes |= named
        self.videos |= {path for path in named if is_video(path)}

    def _add_list(self, path: str) -> None:
        if path in self._open_lists:
            raise PictureError(f"{path}: a list that names itself; take that line out")
        self._open_lists.append(path)
        for line_number, word in read_list(Path(path)):
            try:
                self.add(word)
            except PictureError as error:
                raise PictureError(f"{path}: line {line_number}: {error}") from None
        self._open_lists.pop()


def excluded_folders(inputs: Sequence[str], output: Path | None, maps: str | None) -> dict[str, str]:
    """The folders that a search for pictures skips, by their real paths, and why: the output and the maps.

    ConfigError where the output is an input, or is a folder with pictures of the user.
    """
    real_inputs = {real_path(text) for text in inputs}
    excluded: dict[str, str] = {}
    if output is not None:
        real = real_path(output)
        if real in real_inputs:
            raise ConfigError(f"{output}: is the folder of the pictures; name another folder to write to")
        if output.is_dir() and folder_kind(output) is None:
            _require_no_pictures(output, inside=any(real.startswith(f"{above}/") for above in real_inputs))
        excluded[real] = "the folder to write to"
    if maps is not None and real_path(maps) not in real_inputs:
        excluded[real_path(maps)] = "the folder of the maps"
    return excluded


def _require_no_pictures(output: Path, *, inside: bool) -> None:
    """Later jobs skip the output folder in a search, and so would skip pictures in it. Folders below it are searched
    only where it is itself below an input."""
    pictures = pictures_under(output) if inside else [path for path in output.iterdir() if is_picture(path.name)]
    if pictures:
        raise ConfigError(
            f"{output}: holds pictures ({min(pictures).relative_to(output)}); name a new folder to write to"
        )


def _mode_and_size(path: str) -> tuple[int, int]:
    """A file's mode, 0 where there is none, and its size in bytes."""
    try:
        status = os.stat(path)  # noqa: PTH116 (strings throughout: there may be many)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0, 0
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); make it readable or leave it out") from None
    return status.st_mode, status.st_size
