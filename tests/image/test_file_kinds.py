"""A file's first bytes say what it is, whatever its name is."""

import pytest

from cartoon_dist.image.file_kinds import FIRST_SUFFIXES, IMAGE_SUFFIXES, LATER_SUFFIXES, FileFormat, format_of
from tests.image.test_pillow_formats import saved, smooth


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "HEIC"])
def test_every_kind_is_known(kind: str) -> None:
    assert format_of(saved(kind, smooth())) == kind.lower()


@pytest.mark.parametrize(
    ("data", "file_format"),
    [
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heic"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "avif"),
        (b"\0\0\0\x14ftypheix\0\0\0\0heix", "heic"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", None),
        (b"\0\0\0\x18ftyp", None),
        (b"\xff\xff\xff\xffftypmp42" + b"abcd" * 5000, None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"", None),
    ],
)
def test_brands_tell_phones_pictures_from_films(data: bytes, file_format: FileFormat | None) -> None:
    assert format_of(data) == file_format


def test_the_kinds_of_the_beginning_stay_apart() -> None:
    assert frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"}) == FIRST_SUFFIXES
    assert not FIRST_SUFFIXES & LATER_SUFFIXES
    assert FIRST_SUFFIXES | LATER_SUFFIXES == IMAGE_SUFFIXES
