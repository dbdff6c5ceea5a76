"""Which picture's cartoon goes to which file: a picture or a folder in, files out, no two of the same name.

No file is replaced that this program did not draw: it knows its drawings by a word in their EXIF.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.data.inputs.not_pictures import explain_no_pictures, explain_not_picture, explain_video
from cartoon_dist.data.inputs.search import (
    VIDEO_SUFFIXES,
    IgnoredFiles,
    is_video,
    pictures_under,
    require_outside,
    suffix_of,
)
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.bounded import open_regular
from cartoon_dist.image.encode import DrawingFormat
from cartoon_dist.image.exif_copy import is_drawing
from cartoon_dist.image.file_kinds import IMAGE_SUFFIXES
from cartoon_dist.image.header import scan_header

_VIDEO_HINT = "its {} videos are not drawn with the folder: name each one itself"
_FORMATS: dict[str, DrawingFormat] = {".jpg": "jpg", ".jpeg": "jpg", ".png": "png", ".webp": "webp"}
"""By the suffix of a drawing's name."""
_DRAWING, _DRAWINGS = "-cartoon", "-cartoons"
"""How the names of drawings and of their folder end where no OUTPUT is given."""
_HEAD_BYTES, _MAX_BYTES = 1 << 16, 1 << 30
"""A JPEG and a PNG have their EXIF at the beginning; a WebP at its end."""


@dataclass(frozen=True)
class OutputPath:
    """A picture file, its name in messages, and the file that its cartoon is written to."""

    picture: Path
    name: str
    path: Path

    @property
    def file_format(self) -> DrawingFormat:
        """What is written to `path`."""
        return _FORMATS[self.path.suffix.lower()]


def default_target(source: Path, file_format: DrawingFormat | None) -> Path:
    """Where drawings go when no OUTPUT is given: `photo-cartoon.jpg` beside `photo.jpg`, `photos-cartoons` beside the
    folder `photos`, `film-cartoon.mp4` beside a film. A drawing has its picture's format where drawings can have that,
    else it is a JPEG. `photo.heic-cartoon.jpg` where a `photo.jpg` lies there too, whose drawing has the short name."""
    if source.is_dir():
        named = source if source.name not in ("", "..") else source.resolve()
        if not named.name:
            raise ConfigError(f"{source}: has no folder beside it; name an OUTPUT")
        return named.with_name(f"{named.name}{_DRAWINGS}")
    ending = _default_ending(source.name, file_format)
    name = source.stem if _is_alone(source, ending, file_format) else source.name
    return source.with_name(f"{name}{_DRAWING}.{ending}")


def _default_ending(name: str, file_format: DrawingFormat | None) -> str:
    return "mp4" if is_video(name) else file_format or _FORMATS.get(suffix_of(name), "jpg")


def _is_alone(source: Path, ending: str, file_format: DrawingFormat | None) -> bool:
    """Whether no picture or film beside it has the same stem and would be drawn as a file of the same ending."""
    own = suffix_of(source.name)
    if own == f".{ending}":
        return True
    others = (VIDEO_SUFFIXES if is_video(source.name) else IMAGE_SUFFIXES) - {own}
    return not any(
        source.with_name(f"{source.stem}{suffix}").exists()
        for lower in others
        if _default_ending(f"_{lower}", file_format) == ending
        for suffix in (lower, lower.upper())
    )


def output_paths(
    source: Path, target: Path, ignored: IgnoredFiles | None = None, *, file_format: DrawingFormat | None = None
) -> list[OutputPath]:
    """The pictures to cartoonize and where each goes, in the order of their names.

    source: a picture, or a folder that is searched through. target: for a picture a .jpg, .png or .webp file or a
    folder, for a folder a folder; its sub folders become those of the source. file_format: of the drawings in a folder,
    PNG by default. ignored: notes the files that are not taken, among them drawings of this program that lie with the
    pictures. PictureError where there is no picture, ConfigError where a cartoon would replace a file that is no
    drawing of this program, or where the next run would read it.
    """
    if source.is_dir():
        ignored = IgnoredFiles() if ignored is None else ignored
        found = [path.relative_to(source) for path in pictures_under(source, ignored)]
        pictures = list(_without_drawings(source, found, ignored))
        if not pictures:
            raise PictureError(explain_no_pictures(str(source), ignored, video_hint=_VIDEO_HINT))
        folder = _output_folder(target, source)
        outputs = [
            OutputPath(source / path, path.as_posix(), folder / name)
            for path, name in zip(pictures, _output_names(pictures, file_format or "png"), strict=True)
        ]
    elif source.is_file():
        instead = explain_video(source) or explain_not_picture(str(source))
        if instead:
            raise PictureError(f"{source}: {instead}")
        outputs = [OutputPath(source, source.name, _output_file(target, source, file_format))]
    else:
        raise PictureError(f"{source}: there is no such picture or folder; check the path")
    _require_replaceable(outputs)
    return outputs


def is_own_drawing(path: Path) -> bool:
    """Whether a file is a drawing of this program; False also for one that cannot be read."""
    try:
        with open_regular(path, max_bytes=_MAX_BYTES) as file:
            data = file.read(_HEAD_BYTES)
            if data[8:12] == b"WEBP":
                data += file.read(_MAX_BYTES)
        return is_drawing(scan_header(data).exif)
    except (OSError, PictureError):
        return False


def _without_drawings(source: Path, pictures: Sequence[Path], ignored: IgnoredFiles) -> Iterator[Path]:
    """The pictures but for those that are drawings by their name, or by their folder's, and by what is in them."""
    for path in pictures:
        named_so = path.stem.endswith(_DRAWING) or any(part.endswith(_DRAWINGS) for part in path.parts[:-1])
        if named_so and is_own_drawing(source / path):
            ignored.num_drawings += 1
        else:
            yield path


def _output_folder(target: Path, source: Path) -> Path:
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target}: is a file, and the drawings of a folder need a folder; name another")
    require_outside(target, source, made="drawings")
    return target


def _output_file(target: Path, source: Path, file_format: DrawingFormat | None) -> Path:
    suffix = target.suffix.lower()
    if target.is_dir() or suffix not in IMAGE_SUFFIXES:
        if target.is_file():
            raise ConfigError(f"{target}: is a file of another kind; name a .jpg, .png or .webp file or a folder")
        return target / f"{source.stem}.{file_format or 'png'}"
    if suffix not in _FORMATS:
        raise ConfigError(f"{target}: drawings are written as JPEG, PNG or WebP; name such a file or a folder")
    if file_format not in (None, _FORMATS[suffix]):
        raise ConfigError(f"{target}: is no name for format={file_format}; change one of them")
    return target


def _output_names(pictures: Sequence[Path], ending: DrawingFormat) -> list[Path]:
    """a.jpg -> a.png; where several would get the same name, each keeps its own whole: a.jpg.png, a.png.png."""
    names = [path.with_suffix(f".{ending}") for path in pictures]
    while repeated := {name for name, times in Counter(names).items() if times > 1}:
        names = [
            path.with_name(f"{path.name}.{ending}") if name in repeated else name
            for path, name in zip(pictures, names, strict=True)
        ]
    return names


def _require_replaceable(outputs: Sequence[OutputPath]) -> None:
    pictures = {output.picture.resolve(): output.picture for output in outputs}
    for output in outputs:
        if (picture := pictures.get(output.path.resolve())) is not None:
            raise ConfigError(f"{output.path}: the drawing would take the place of {picture}; name another output")
        if os.path.lexists(output.path) and not is_own_drawing(output.path):
            raise ConfigError(
                f"{output.path}: is there and is no drawing of this program, so it is not replaced; move it away or "
                "name another output"
            )
