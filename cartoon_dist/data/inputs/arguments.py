"""What a user names as pictures: folders, globs, files, videos and lists of these."""

import glob
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from cartoon_dist.data.inputs.list_files import SUFFIX, listed
from cartoon_dist.data.inputs.not_pictures import misplaced, no_pictures
from cartoon_dist.data.inputs.search import LeftOut, OwnFolders, is_picture, is_video, pictures_under, sizes_under
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.folder_kinds import kind_of_folder, require_pictures_folder
from cartoon_dist.files.system_files import is_system_file

_FILMS = "name its {} videos themselves"


class Inputs:
    """Collects what is named: `sizes` has each picture's and video's absolute path with its bytes, `roots` the folder
    that each input is under; `films` are the videos among the paths.

    Links are kept: a set of links to pictures kept elsewhere has the names of the links.
    """

    def __init__(self, left: LeftOut, apart: Mapping[str, str]) -> None:
        self.sizes: dict[str, int] = {}
        self.roots: list[str] = []
        self.films: set[str] = set()
        self.left, self._apart = left, apart
        self._own = OwnFolders(left, apart)
        self._lists: list[str] = []

    def take(self, text: str) -> None:
        """Take an input; PictureError when there is no picture in it, or it cannot be read."""
        path = os.path.abspath(text)  # noqa: PTH100 (resolve would follow links)
        mode, num_bytes = _looked_at(path)
        if stat.S_ISDIR(mode):
            self._take_folder(text, path)
        elif not mode:
            self._take_matches(text)
        elif not stat.S_ISREG(mode):
            raise PictureError(f"{text}: is neither a file nor a folder; give a file that holds a picture")
        elif path.lower().endswith(SUFFIX):
            self._take_list(path)
        else:
            self._take_file(text, path, num_bytes)

    def _take_folder(self, text: str, path: str) -> None:
        left = LeftOut()
        found = sizes_under(path, left, self._apart)
        self.left.merge(left)
        if not found:
            raise PictureError(no_pictures(text, left, films=_FILMS))
        self.sizes |= found
        self.roots.append(path)

    def _take_file(self, text: str, path: str, num_bytes: int) -> None:
        name = path.rpartition("/")[2]
        if is_system_file(name):
            self.left.add(name)
            return
        instead = misplaced(path)
        if instead:
            raise PictureError(f"{text}: {instead}")
        self._add({path: num_bytes})
        self.roots.append(_folder(path))

    def _take_matches(self, text: str) -> None:
        found: dict[str, int] = {}
        for match in sorted(glob.glob(text, recursive=True)):  # noqa: PTH207 (keeps absolute patterns)
            path = os.path.abspath(match)  # noqa: PTH100
            mode, num_bytes = _looked_at(path)
            if stat.S_ISREG(mode):
                name = path.rpartition("/")[2]
                if is_picture(name) or is_video(name):
                    found[path] = num_bytes
                else:
                    self.left.add(name)
        if not found:
            raise PictureError(f"{text}: no such file or folder, and no picture matches it; check the path")
        root = os.path.commonpath([_folder(path) for path in found])
        require_pictures_folder(Path(root))
        kept = {path: size for path, size in found.items() if not self._own.hold(_folder(path), root)}
        if not kept:
            raise PictureError(f"{text}: no pictures match it; {'; '.join(self.left.lines())}")
        self._add(kept)
        self.roots.append(os.path.commonpath([_folder(path) for path in kept]))

    def _add(self, named: Mapping[str, int]) -> None:
        self.sizes |= named
        self.films |= {path for path in named if is_video(path)}

    def _take_list(self, path: str) -> None:
        if path in self._lists:
            raise PictureError(f"{path}: a list that names itself; take that line out")
        self._lists.append(path)
        for number, word in listed(Path(path)):
            try:
                self.take(word)
            except PictureError as error:
                raise PictureError(f"{path}: line {number}: {error}") from None
        self._lists.pop()


def folders_apart(inputs: Sequence[str], output: Path | None, maps: str | None) -> dict[str, str]:
    """The folders that a search for pictures leaves out, by their real paths, and why: the output and the maps.

    ConfigError where the output is an input, or is a folder that somebody keeps pictures in.
    """
    given = {os.path.realpath(text) for text in inputs}
    apart = {}
    if output is not None:
        real = os.path.realpath(output)
        if real in given:
            raise ConfigError(f"{output}: is the folder of the pictures; name another folder to write to")
        if output.is_dir() and kind_of_folder(output) is None:
            _require_no_pictures(output, inside=any(real.startswith(f"{above}/") for above in given))
        apart[real] = "the folder to write to"
    if maps is not None and os.path.realpath(maps) not in given:
        apart[os.path.realpath(maps)] = "the folder of the maps"
    return apart


def _require_no_pictures(output: Path, *, inside: bool) -> None:
    """Later jobs take the output for shards, and so leave out all that lies in it; a folder below it only where it is
    itself below an input."""
    held = pictures_under(output) if inside else [path for path in output.iterdir() if is_picture(path.name)]
    if held:
        raise ConfigError(f"{output}: holds pictures ({min(held).relative_to(output)}); name a new folder to write to")


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _looked_at(path: str) -> tuple[int, int]:
    """A file's mode, 0 where there is none, and its size in bytes."""
    try:
        found = os.stat(path)  # noqa: PTH116 (strings throughout: there may be many)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0, 0
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); make it readable or leave it out") from None
    return found.st_mode, found.st_size
