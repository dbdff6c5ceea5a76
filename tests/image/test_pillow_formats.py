"""TIFF, GIF, AVIF and HEIC against what Pillow, or the encoder's own decoder, reads; broken ones of each kind."""

import struct
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import decode, decode_file
from tests.profiles import DISPLAY_P3, P3_TO_SRGB, from_light, ink_profile, to_light

MAX = 1.0
Levels = NDArray[np.uint8]


def smooth(height: int = 48, width: int = 64) -> Image.Image:
    """Colours that change slowly: encoders that lose something lose little of them."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [255 * x / width, 255 * y / height, 128 + 100 * np.sin(x / 17) * np.cos(y / 13)]
    return Image.fromarray(np.stack(planes, -1).astype(np.uint8))


def heic(image: Image.Image, **more: object) -> bytes:
    file = BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=95, chroma=444, **more)
    return file.getvalue()


def saved(kind: str, image: Image.Image, **more: object) -> bytes:
    if kind == "HEIC":
        return heic(image, **more)
    lossless: dict[str, dict[str, object]] = {"AVIF": {"quality": 95, "subsampling": "4:4:4"}, "TIFF": {}, "GIF": {}}
    file = BytesIO()
    image.save(file, kind, **{**lossless.get(kind, {}), **more})
    return file.getvalue()


def difference(one: Levels, other: object) -> int:
    return int(np.abs(one.astype(int) - np.asarray(other)).max())


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "CMYK"])
def test_a_tiff_is_read_as_pillow_reads_it(mode: str, compression: str | None) -> None:
    image = smooth().convert("RGBA" if mode == "LA" else mode).convert(mode)
    white = Image.new("RGBA", image.size, "white")
    expected = Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    data = saved("TIFF", image, compression=compression)
    assert difference(decode(data, max_megapixels=MAX), expected) <= 1  # CMYK is rounded otherwise


def test_sixteen_bits_of_grey_are_rounded_and_white_may_be_zero() -> None:
    stored = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    data = saved("TIFF", Image.fromarray(stored))
    assert decode(data, max_megapixels=MAX)[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]
    at = data.index(struct.pack("<HHI", 262, 3, 1))
    inverted = data[: at + 8] + struct.pack("<H", 0) + data[at + 10 :]
    assert decode(inverted, max_megapixels=MAX)[0, :, 0].tolist() == [255, 255, 254, 254, 127, 0]


def test_sixteen_bits_of_colour() -> None:
    cv2 = pytest.importorskip("cv2")
    stored = np.random.default_rng(3).integers(0, 65536, (9, 7, 3), np.uint16)
    data = cv2.imencode(".tif", stored[..., ::-1])[1].tobytes()
    assert difference(decode(data, max_megapixels=MAX), (stored / 257).round()) <= 1


def test_the_first_page_of_a_tiff_and_the_first_frame_of_a_gif() -> None:
    red, blue = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
    for kind in ("TIFF", "GIF"):
        data = saved(kind, red, save_all=True, append_images=[blue])
        assert decode(data, max_megapixels=MAX).reshape(-1, 3).tolist() == [[255, 0, 0]] * 48


def test_transparent_parts_of_a_gif_are_white() -> None:
    levels = np.zeros((2, 4), np.uint8)
    levels[:, 2:] = 1
    image = Image.frombytes("P", (4, 2), levels.tobytes())
    image.putpalette([10, 20, 30, 40, 50, 60])
    picture = decode(saved("GIF", image, transparency=1), max_megapixels=MAX)
    assert picture[0].tolist() == [[10, 20, 30]] * 2 + [[255, 255, 255]] * 2


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_pictures_of_phones_are_read(kind: str) -> None:
    image = smooth()
    decoded = decode_file(saved(kind, image), max_megapixels=MAX)
    assert difference(decoded.picture, image) <= 12
    assert (decoded.file_format, decoded.as_stored) == (kind.lower(), False)
    with_hole = image.convert("RGBA")
    with_hole.paste((0, 0, 0, 0), (0, 0, 32, 48))
    picture = decode(saved(kind, with_hole), max_megapixels=MAX)
    assert picture[8:40, 4:24].min() >= 250  # laid on white
    assert difference(picture[8:40, 40:60], np.asarray(image)[8:40, 40:60]) <= 12


def oriented(number: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = number
    return exif.tobytes()


UNDONE: dict[int, Callable[[Levels], Levels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
"""EXIF 2.3: what is to be done with the stored rows, by the orientation's number."""


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["TIFF", "TIFF in LZW", "AVIF", "HEIC"])
def test_a_picture_is_turned_once(kind: str, number: int) -> None:
    image = smooth()
    more = {"compression": "tiff_lzw"} if kind == "TIFF in LZW" else {}
    data = saved(kind.split()[0], image, exif=oriented(number), **more)
    if kind in ("AVIF", "HEIC") and number > 1:  # the turn is in boxes of the file
        assert b"irot" in data or b"imir" in data
    expected = UNDONE[number](np.asarray(image))
    assert difference(decode(data, max_megapixels=MAX), expected) <= (0 if kind.startswith("TIFF") else 12)


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "HEIC"])
def test_display_p3_becomes_srgb(kind: str) -> None:
    image = smooth()
    decoded = decode_file(saved(kind, image, icc_profile=DISPLAY_P3), max_megapixels=MAX)
    assert decoded.converted
    assert decoded.has_profile
    plain = decode(saved(kind, image), max_megapixels=MAX)
    by_hand = from_light(to_light(plain) @ P3_TO_SRGB.T)
    assert difference(decoded.picture, by_hand) <= 3
    p3 = ImageCms.ImageCmsProfile(BytesIO(DISPLAY_P3))
    converted = ImageCms.profileToProfile(Image.fromarray(plain), p3, ImageCms.createProfile("sRGB"))
    assert converted is not None
    assert difference(decoded.picture, converted) <= 1
    assert difference(decoded.picture, plain) > 10


def test_inks_are_converted_by_their_profile() -> None:
    paper = (255, 128, 128)
    profile = ink_profile({(0, 0, 0, 0): paper, (1, 0, 0, 0): (140, 100, 80), (0, 1, 0, 0): (120, 200, 120)})
    inks = Image.merge("CMYK", [*smooth().split(), Image.new("L", (64, 48))])
    picture = decode(saved("TIFF", inks, icc_profile=profile), max_megapixels=MAX)
    press = ImageCms.ImageCmsProfile(BytesIO(profile))
    expected = ImageCms.profileToProfile(inks, press, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert expected is not None
    assert difference(picture, expected) <= 1


def test_what_code_points_say_counts_where_there_is_no_profile() -> None:
    data = saved("AVIF", smooth())
    at = data.index(b"colrnclx") + 8
    p3 = data[:at] + struct.pack(">H", 12) + data[at + 2 :]
    plain = decode(data, max_megapixels=MAX)
    decoded = decode_file(p3, max_megapixels=MAX)
    assert decoded.converted
    assert not decoded.has_profile
    assert difference(decoded.picture, from_light(to_light(plain) @ P3_TO_SRGB.T)) <= 2
    bright = data[:at] + struct.pack(">HH", 9, 16) + data[at + 4 :]
    with pytest.raises(PictureError, match=r"cICP 9-16-0-1, HDR by PQ; save it anew as sRGB"):
        decode(bright, max_megapixels=MAX)
    assert difference(decode_file(bright, max_megapixels=MAX, damaged="take").picture, plain) == 0
