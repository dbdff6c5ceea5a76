"""Which picture becomes which drawing: a picture or a folder in, PNG files out, no two of the same name."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.data.inputs.not_pictures import film_instead, misplaced, no_pictures
from cartoon_dist.data.inputs.search import LeftOut, pictures_under, require_outside
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.image.header import SUFFIXES

_FILMS = "its {} videos are not drawn: take frames out with 'ffmpeg -i FILM frames/%06d.png' and give the folder frames"


@dataclass(frozen=True)
class Page:
    """A picture file, its name to a user, and the file that its drawing goes to."""

    picture: Path
    name: str
    drawing: Path


def pages(source: Path, target: Path, left: LeftOut | None = None) -> list[Page]:
    """What is to be drawn, in the order of the names.

    source: a picture, or a folder that is searched through. target: for a picture a .png file or a folder, for a folder
    a folder; its sub folders become those of the source. `left` is told what was not taken. PictureError where there is
    no picture, ConfigError where a drawing would take the place of a picture or could be taken for one the next time.
    """
    if source.is_dir():
        left = LeftOut() if left is None else left
        found = [path.relative_to(source) for path in pictures_under(source, left)]
        if not found:
            raise PictureError(no_pictures(str(source), left, films=_FILMS))
        folder = _folder_apart(target, source)
        made = [
            Page(source / path, path.as_posix(), folder / name) for path, name in zip(found, _names(found), strict=True)
        ]
    elif source.is_file():
        instead = film_instead(source) or misplaced(str(source))
        if instead:
            raise PictureError(f"{source}: {instead}")
        made = [Page(source, source.name, _file(target, source))]
    else:
        raise PictureError(f"{source}: there is no such picture or folder; check the path")
    _check_apart(made)
    return made


def _folder_apart(target: Path, source: Path) -> Path:
    if target.exists() and not target.is_dir():
        raise ConfigError(f"{target}: is a file, and the drawings of a folder need a folder; name another")
    require_outside(target, source, made="drawings")
    return target


def _file(target: Path, source: Path) -> Path:
    suffix = target.suffix.lower()
    if target.is_dir() or suffix not in SUFFIXES:
        if target.is_file():
            raise ConfigError(f"{target}: is a file of another kind; name a .png file or a folder")
        return target / f"{source.stem}.png"
    if suffix != ".png":
        raise ConfigError(f"{target}: drawings are written as PNG; name a .png file or a folder")
    return target


def _names(pictures: Sequence[Path]) -> list[Path]:
    """a.jpg -> a.png; where several would get the same name, each keeps its own whole: a.jpg.png, a.png.png."""
    names = [path.with_suffix(".png") for path in pictures]
    while repeated := {name for name, times in Counter(names).items() if times > 1}:
        names = [
            path.with_name(f"{path.name}.png") if name in repeated else name
            for path, name in zip(pictures, names, strict=True)
        ]
    return names


def _check_apart(made: Sequence[Page]) -> None:
    pictures = {page.picture.resolve(): page.picture for page in made}
    for page in made:
        if (picture := pictures.get(page.drawing.resolve())) is not None:
            raise ConfigError(f"{page.drawing}: the drawing would take the place of {picture}; name another output")
