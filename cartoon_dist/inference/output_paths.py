"""Which picture's cartoon goes to which file: a picture or a folder in, PNG files out, no two of the same name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.data.inputs.not_pictures import explain_no_pictures, explain_not_picture, explain_video
from cartoon_dist.data.inputs.search import IgnoredFiles, pictures_under, require_outside
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.image.file_kinds import IMAGE_SUFFIXES

_VIDEO_HINT = (
    "its {} videos are not drawn: take frames out with 'ffmpeg -i FILM frames/%06d.png' and give the folder frames"
)


@dataclass(frozen=True)
class OutputPath:
    """A picture file, its name in messages, and the file that its cartoon is written to."""

    picture: Path
    name: str
    path: Path


def output_paths(source: Path, target: Path, ignored: IgnoredFiles | None = None) -> list[OutputPath]:
    """The pictures to cartoonize and where each goes, in the order of their names.

    source: a picture, or a folder that is searched through. target: for a picture a .png file or a folder, for a folder
    a folder; its sub folders become those of the source. ignored: notes the files that are not taken. PictureError
    where there is no picture, ConfigError where a cartoon would replace a picture, or the next run would read it.
    """
    if source.is_dir():
        ignored = IgnoredFiles() if ignored is None else ignored
        pictures = [path.relative_to(source) for path in pictures_under(source, ignored)]
        if not pictures:
            raise PictureError(explain_no_pictures(str(source), ignored, video_hint=_VIDEO_HINT))
        folder = _output_folder(target, source)
        outputs = [
            OutputPath(source / path, path.as_posix(), folder / name)
            for path, name in zip(pictures, _output_names(pictures), strict=True)
        ]
    elif source.is_file():
        instead = explain_video(source) or explain_not_picture(str(source))
        if instead:
            raise PictureError(f"{source}: {instead}")
        outputs = [OutputPath(source, source.name, _output_file(target, source))]
    else:
        raise PictureError(f"{source}: there is no such picture or folder; check the path")
    _require_not_pictures(outputs)
    return outputs


def _output_folder(target: Path, source: Path) -> Path:
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target}: is a file, and the drawings of a folder need a folder; name another")
    require_outside(target, source, made="drawings")
    return target


def _output_file(target: Path, source: Path) -> Path:
    suffix = target.suffix.lower()
    if target.is_dir() or suffix not in IMAGE_SUFFIXES:
        if target.is_file():
            raise ConfigError(f"{target}: is a file of another kind; name a .png file or a folder")
        return target / f"{source.stem}.png"
    if suffix != ".png":
        raise ConfigError(f"{target}: drawings are written as PNG; name a .png file or a folder")
    return target


def _output_names(pictures: Sequence[Path]) -> list[Path]:
    """a.jpg -> a.png; where several would get the same name, each keeps its own whole: a.jpg.png, a.png.png."""
    names = [path.with_suffix(".png") for path in pictures]
    while repeated := {name for name, times in Counter(names).items() if times > 1}:
        names = [
            path.with_name(f"{path.name}.png") if name in repeated else name
            for path, name in zip(pictures, names, strict=True)
        ]
    return names


def _require_not_pictures(outputs: Sequence[OutputPath]) -> None:
    pictures = {output.picture.resolve(): output.picture for output in outputs}
    for output in outputs:
        if (picture := pictures.get(output.path.resolve())) is not None:
            raise ConfigError(f"{output.path}: the drawing would take the place of {picture}; name another output")
