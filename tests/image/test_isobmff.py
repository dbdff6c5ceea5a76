"""The header of AVIF and HEIC files, box by box."""

import struct

import pytest

from cartoon_dist.errors import PictureError
from cartoon_dist.image.colour_space import ColourSpace
from cartoon_dist.image.isobmff import main_picture
from tests.image.test_pillow_formats import saved, smooth
from tests.profiles import DISPLAY_P3


def box(name: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), name) + content


def size(width: int, height: int) -> bytes:
    return box(b"ispe", bytes(4), struct.pack(">II", width, height))


def file(properties: bytes, associations: bytes, main: int = 2) -> bytes:
    pitm = box(b"pitm", bytes(4), struct.pack(">H", main))
    ipma = box(b"ipma", bytes(4), associations)
    return box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", bytes(4), pitm, box(b"iprp", box(b"ipco", properties), ipma))


TWO = struct.pack(">IHBBHBBB", 2, 1, 1, 1, 2, 2, 0x82, 3)
"""Item 1 has property 1, item 2 the properties 2, which a reader must know, and 3."""


def test_the_main_picture_is_not_the_first_one() -> None:
    code_points = box(b"colr", b"nclx", struct.pack(">HHHB", 12, 13, 6, 0x80))
    main = main_picture(file(size(160, 120) + size(4032, 3024) + code_points, TWO))
    assert (main.width, main.height) == (4032, 3024)
    assert main.colours == ColourSpace(cicp=(12, 13, 0, 1))


@pytest.mark.parametrize(
    ("primaries", "transfer", "colours"),
    [
        (2, 2, ColourSpace(cicp=(1, 13, 0, 1))),
        (2, 16, ColourSpace(cicp=(1, 16, 0, 1))),
        (9, 16, ColourSpace(cicp=(9, 16, 0, 1))),
        (300, 1, ColourSpace(unreadable="its colours are coded as 300-1, which is not known")),
    ],
)
def test_code_points_that_are_left_open_are_as_in_srgb(primaries: int, transfer: int, colours: ColourSpace) -> None:
    code_points = box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, 1, 0))
    assert main_picture(file(size(1, 1) + size(8, 8) + code_points, TWO)).colours == colours


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_files_of_encoders(kind: str) -> None:
    main = main_picture(saved(kind, smooth(64, 128), icc_profile=DISPLAY_P3))
    assert (main.width, main.height) == (128, 64)
    assert main.colours == ColourSpace(profile=DISPLAY_P3)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "damaged"),
        (box(b"ftyp", b"heic\0\0\0\0"), "damaged"),
        (file(size(4, 4), struct.pack(">I", 0)), "does not say how large"),
        (file(size(1, 1) + size(0, 8) + box(b"free"), TWO), "gives the size as 0 x 8"),
        (file(size(1, 1) + box(b"ispe", bytes(5)) + box(b"free"), TWO), "damaged"),
        (file(size(1, 1) + size(8, 8), struct.pack(">I", 0xFFFFFFFF)), "damaged"),
        (struct.pack(">I4s", 4, b"meta"), "damaged"),
        (box(b"free") * 10_001, "damaged"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(data: bytes, fault: str) -> None:
    with pytest.raises(PictureError, match=fault):
        main_picture(data)
