"""Inputs that are no single picture (tars, archives, tables, videos): what each is, and what to type instead."""

from pathlib import Path

from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.data.inputs.list_files import LIST_SUFFIX
from cartoon_dist.data.inputs.search import IgnoredFiles, is_video, suffix_of
from cartoon_dist.image.file_kinds import IMAGE_SUFFIXES

_TARS = (".tar", ".tgz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.zstd")
_UNPACKERS = {".zip": "unzip {file} -d pictures", ".7z": "7z x {file} -opictures", ".rar": "unrar x {file} pictures/"}
_TABLES = frozenset({".parquet", ".csv", ".json", ".jsonl"})


def explain_not_picture(path: str) -> str | None:
    """What a file is, worded to follow its name, and what to do; None if it may be a picture or a video."""
    name, quoted = path.lower(), shell_quoted(path)
    suffix = suffix_of(name)
    if name.endswith(_TARS):
        return f"is a tar; unpack it with 'mkdir pictures && tar -xf {quoted} -C pictures' and give the folder pictures"
    if suffix in _UNPACKERS:
        return f"is packed; unpack it with '{_UNPACKERS[suffix].format(file=quoted)}' and give the folder pictures"
    if suffix == LIST_SUFFIX:
        return "is a text file; give a picture or a folder of pictures (list files are for shard jobs)"
    if suffix in _TABLES:
        return "is a table, no picture; give the folder that holds the pictures"
    return None


def explain_video(path: Path) -> str | None:
    """What to do with a video where only pictures are accepted; None if the name is not that of a video."""
    if not is_video(path.name):
        return None
    frames = f"mkdir frames && ffmpeg -i {shell_quoted(path)} frames/%06d.png"
    return f"is a video, and pictures alone are drawn; take its frames out with '{frames}' and give the folder frames"


def why_not_drawn(path: str) -> str:
    """Why a search for pictures to draw left a file out, worded to follow its path."""
    if is_video(path):
        return "a film is drawn when it is named itself"
    if explain_not_picture(path) is not None:
        return explain_not_picture(path) or ""
    suffix = suffix_of(path)
    return f"{suffix} is no kind of picture that is read" if suffix else "has no suffix of a picture"


def explain_no_pictures(folder: str, ignored: IgnoredFiles, *, video_hint: str) -> str:
    """The error for a folder without pictures; `video_hint` says what to do with its videos (`{}`: how many)."""
    parts = [f"{folder}: no pictures in it; give a folder that holds {' '.join(sorted(IMAGE_SUFFIXES))} files"]
    if ignored.num_videos:
        parts.append(video_hint.format(ignored.num_videos))
    if num_tars := ignored.suffixes[".tar"]:
        unpack = f'for tar in {shell_quoted(folder)}/*.tar; do tar -xf "$tar" -C pictures; done'
        parts.append(f"unpack its {num_tars} tars with 'mkdir pictures; {unpack}' and give the folder pictures")
    return "; ".join([*parts, *ignored.lines()])
