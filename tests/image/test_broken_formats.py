"""Broken and hostile TIFF, GIF, AVIF and HEIC files: each is refused in words, and a large one before it is decoded."""

import struct
import sys
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from cartoon_dist.errors import PictureError
from cartoon_dist.image import pillow_formats
from cartoon_dist.image.decode import decode, decode_file
from tests.image.test_pillow_formats import saved, smooth

KINDS = ("TIFF", "GIF", "AVIF", "HEIC")
WHOLE = {kind: saved(kind, smooth()) for kind in KINDS} | {"LZW": saved("TIFF", smooth(), compression="tiff_lzw")}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_is_cut_off_is_refused(kind: str, share: float, capfd: pytest.CaptureFixture[str]) -> None:
    data = WHOLE[kind]
    for damaged in ("skip", "take"):
        with pytest.raises(PictureError):
            decode_file(data[: int(len(data) * share)], max_megapixels=1, damaged=damaged)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.randoms(use_true_random=False))
def test_a_damaged_file_gives_a_picture_or_a_picture_error(kind: str, seed: "object") -> None:
    data = bytearray(WHOLE[kind])
    for _ in range(4):
        data[seed.randrange(len(data))] = seed.randrange(256)  # type: ignore[attr-defined]
    try:
        picture = decode(bytes(data), max_megapixels=1)
    except PictureError:
        return
    assert picture.ndim == 3


def enormous(kind: str) -> bytes:
    """A file whose header claims 60,000 x 50,000 pixels."""
    data = bytearray(WHOLE[kind])
    if kind == "GIF":
        data[6:10] = struct.pack("<HH", 60_000, 50_000)
    elif kind == "TIFF":
        for tag, number in ((256, 60_000), (257, 50_000)):
            at = data.index(struct.pack("<HHI", tag, 4, 1))
            data[at + 8 : at + 12] = struct.pack("<I", number)
    else:
        at = data.index(b"ispe") + 8
        data[at : at + 8] = struct.pack(">II", 60_000, 50_000)
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_an_enormous_picture_is_refused_by_its_header(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(pillow_formats, "_channels", never)
    with pytest.raises(PictureError, match="60000 x 50000 pixels are more than max_megapixels=200"):
        decode(enormous(kind), max_megapixels=200)


def test_a_heic_without_its_library_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"pillow-heif is not installed; type: pip install 'cartoon-dist\[heic\]'"):
        decode(WHOLE["HEIC"], max_megapixels=1)


def test_pixels_of_other_kinds_are_refused_with_what_to_do() -> None:
    file = BytesIO()
    Image.new("F", (4, 4)).save(file, "TIFF")
    with pytest.raises(PictureError, match="its pixels are stored as F; save it anew with 8 or 16 bits"):
        decode(file.getvalue(), max_megapixels=1)


def test_a_profile_that_makes_no_sense_is_unknown_colours() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[34675] = b"no profile"
    file = BytesIO()
    smooth().save(file, "TIFF", tiffinfo=tags)
    with pytest.raises(PictureError, match="its colour profile cannot be read"):
        decode(file.getvalue(), max_megapixels=1)
    assert decode_file(file.getvalue(), max_megapixels=1, damaged="take").complaint is not None
