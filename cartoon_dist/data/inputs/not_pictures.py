"""Files that hold no single picture, given where pictures are asked for: what each is, and what to type instead."""

from pathlib import Path

from cartoon_dist.console.escape import typed
from cartoon_dist.data.inputs.list_files import SUFFIX as LIST
from cartoon_dist.data.inputs.search import LeftOut, is_video, suffix_of
from cartoon_dist.image.header import SUFFIXES

_TARS = (".tar", ".tgz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.zstd")
_UNPACKERS = {".zip": "unzip {file} -d pictures", ".7z": "7z x {file} -opictures", ".rar": "unrar x {file} pictures/"}
_TABLES = frozenset({".parquet", ".csv", ".json", ".jsonl"})


def misplaced(path: str) -> str | None:
    """What a file is, worded to follow its name, and what to do; None for what may be a picture or a video."""
    name, quoted = path.lower(), typed(path)
    suffix = suffix_of(name)
    if name.endswith(_TARS):
        return f"is a tar; unpack it with 'mkdir pictures && tar -xf {quoted} -C pictures' and give the folder pictures"
    if suffix in _UNPACKERS:
        return f"is packed; unpack it with '{_UNPACKERS[suffix].format(file=quoted)}' and give the folder pictures"
    if suffix == LIST:
        return "is a text file; give a picture or a folder of pictures (list files are for shard jobs)"
    if suffix in _TABLES:
        return "is a table, no picture; give the folder that holds the pictures"
    return None


def film_instead(path: Path) -> str | None:
    """What to do about a video where pictures alone are drawn; None for what is none by its name."""
    if not is_video(path.name):
        return None
    frames = f"mkdir frames && ffmpeg -i {typed(path)} frames/%06d.png"
    return f"is a video, and pictures alone are drawn; take its frames out with '{frames}' and give the folder frames"


def no_pictures(folder: str, left: LeftOut, *, films: str) -> str:
    """The error for a folder in which nothing was taken; `films` says what to do about videos, in its own words."""
    parts = [f"{folder}: no pictures in it; give a folder that holds {' '.join(sorted(SUFFIXES))} files"]
    if left.num_films:
        parts.append(films.format(left.num_films))
    if num_tars := left.suffixes[".tar"]:
        unpack = f'for tar in {typed(folder)}/*.tar; do tar -xf "$tar" -C pictures; done'
        parts.append(f"unpack its {num_tars} tars with 'mkdir pictures; {unpack}' and give the folder pictures")
    return "; ".join([*parts, *left.lines()])
