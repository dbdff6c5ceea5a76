"""Drawings as files: read again by Pillow, with their profile and EXIF, and as near to the drawing as the format is."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from cartoon_dist.errors import PictureError
from cartoon_dist.image.encode import DRAWING_FORMATS, DrawingFormat, encode, require_side
from cartoon_dist.image.exif_copy import is_drawing, kept_exif
from cartoon_dist.image.header import read_header
from cartoon_dist.image.srgb import srgb_profile
from tests.image.test_pillow_formats import difference, smooth

PICTURE = np.asarray(smooth())


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("file_format", DRAWING_FORMATS)
def test_a_drawing_is_read_by_others(file_format: DrawingFormat) -> None:
    data = encode(PICTURE, file_format, exif=kept_exif(b"", keep_place=False), icc=srgb_profile())
    image = opened(data)
    assert image.format == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[file_format]
    assert image.mode == "RGB"
    assert difference(PICTURE, image) <= {"jpg": 4, "png": 0, "webp": 8}[file_format]
    assert image.info["icc_profile"] == srgb_profile()
    assert image.getexif()[0x0131] == "cartoon-dist"
    assert is_drawing(read_header(data).exif)
    plain = opened(encode(PICTURE, file_format))
    assert "icc_profile" not in plain.info
    assert not plain.getexif()


def test_a_jpeg_keeps_fine_colours_and_quality_is_a_choice() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 200  # red beside blue: halved colours would mix them
    data = encode(stripes, "jpg")
    assert difference(stripes, opened(data)) <= 20
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == 0x11  # one sample of brightness a pixel, and so one of each colour
    sizes = [len(encode(PICTURE, "jpg", quality=quality)) for quality in (30, 80, 95, 100)]
    assert sizes == sorted(sizes)
    worse = np.abs(np.asarray(opened(encode(PICTURE, "jpg", quality=10))).astype(int) - PICTURE).mean()
    better = np.abs(np.asarray(opened(encode(PICTURE, "jpg"))).astype(int) - PICTURE).mean()
    assert better < 1 < worse


def test_a_side_that_a_format_cannot_hold_is_refused() -> None:
    assert opened(encode(np.zeros((1, 16_383, 3), np.uint8), "webp")).size == (16_383, 1)
    with pytest.raises(PictureError, match="16384 x 1 pixels: a WebP has at most 16383 on a side; draw it as format=p"):
        encode(np.zeros((1, 16_384, 3), np.uint8), "webp")
    with pytest.raises(PictureError, match="a JPEG has at most 65535"):
        require_side(65_536, 8, "jpg")
    require_side(65_536, 8, "png")


def test_the_profile_is_srgb_and_the_same_on_every_day() -> None:
    profile = ImageCms.ImageCmsProfile(BytesIO(srgb_profile()))
    converted = ImageCms.profileToProfile(smooth(), profile, ImageCms.createProfile("sRGB"))
    assert converted is not None
    assert difference(PICTURE, converted) <= 1
    srgb_profile.cache_clear()
    assert srgb_profile()[24:36] == b"\x07\xea\0\1\0\1\0\0\0\0\0\0"
