"""The photos: files in packages, and GCompris's."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from bench.attribution import Credit
from bench.free_pictures import matching_files, picture, smaller, title
from bench.training_pictures.gcompris import PACKAGE, GCompris
from bench.training_pictures.photo_lists import GCOMPRIS, NO_PHOTOS, PACKAGED
from bench.training_pictures.picture_sets import TrainingPicture
from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import decode
from cartoon_dist.image.perceptual_hash import are_near_duplicates, perceptual_hash

_MAX_MEGAPIXELS = 40.0
DUPLICATE_BITS = 6
"""Photos whose hashes differ in no more bits are taken for one, and only the first is kept."""


def photo_pictures(unpacked: Path, *, permissive: bool) -> Iterator[TrainingPicture]:
    """The photos, each once; with `permissive`, only those under such licences."""
    kept: list[int] = []
    for photo in (*packaged(unpacked), *in_gcompris(unpacked / PACKAGE)):
        if permissive and not photo.credit.is_permissive:
            continue
        look = perceptual_hash(photo.rgb)
        if not any(are_near_duplicates(look, other, num_bits=DUPLICATE_BITS) for other in kept):
            kept.append(look)
            yield photo


def packaged(unpacked: Path) -> Iterator[TrainingPicture]:
    """The photos that lie as files in packages."""
    for package, by_patterns in PACKAGED.items():
        for patterns, (author, licence) in by_patterns.items():
            credit = Credit(package=package, author=author, licence=licence)
            for path in matching_files(unpacked, {package: patterns}):
                yield TrainingPicture(name=f"{package} {title(path)}", rgb=picture(path), credit=credit)


def in_gcompris(package: Path) -> Iterator[TrainingPicture]:
    """The photos in GCompris's resource files; PictureError names a damaged one."""
    source = GCompris(package)
    for folder in GCOMPRIS:
        names = [name for name in source.names(folder) if is_photo(name)]
        if not names:
            raise PictureError(f"{PACKAGE} holds no photos in {folder}: its version is another")
        for name in names:
            try:
                rgb = decode(source.content(name), max_megapixels=_MAX_MEGAPIXELS)
            except PictureError as error:
                raise PictureError(f"{PACKAGE}: {name}: {error}") from None
            short = name.removesuffix(".webp").replace("/images/", "/").replace("/", " ")
            yield TrainingPicture(name=f"gcompris {short}", rgb=smaller(rgb), credit=source.credit(name))


def is_photo(name: str) -> bool:
    """Whether a picture in one of GCOMPRIS's folders is a photo."""
    return not any(fnmatchcase(name, pattern) for pattern in NO_PHOTOS.split())
