"""Pictures as Python programs hold them, beside what the decoder makes of the same file."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import decode
from cartoon_dist.inference.any_picture import is_one_picture, to_pixels
from tests.profiles import DISPLAY_P3


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def stored(image: Image.Image, **options: Any) -> tuple[bytes, Image.Image]:
    """A PNG's bytes, and the image as PIL opens it."""
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue(), Image.open(io.BytesIO(file.getvalue()))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


IMAGES = {
    "RGB": Image.fromarray(noise(9, 13, 3)),
    "L": Image.fromarray(noise(9, 13)),
    "RGBA": Image.fromarray(noise(9, 13, 4)),
    "LA": Image.fromarray(noise(9, 13, 4)).convert("LA"),
    "1": Image.fromarray(noise(9, 13)).convert("1"),
    "P": Image.fromarray(noise(9, 13, 3)).quantize(16),
    "I;16": Image.fromarray(noise(9, 13).astype(np.uint16) * 257 + 3),
}


@pytest.mark.parametrize("mode", IMAGES)
def test_each_mode_is_as_the_decoder_has_it(mode: str) -> None:
    data, opened = stored(IMAGES[mode])
    assert opened.mode == mode
    assert np.array_equal(to_pixels(opened, max_megapixels=1), decode(data, max_megapixels=1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_an_image_as_it_turns_a_file(orientation: int) -> None:
    data, opened = stored(IMAGES["RGB"], exif=turned(orientation))
    assert opened.getexif()[0x0112] == orientation
    pixels = to_pixels(opened, max_megapixels=1)
    assert pixels.shape[:2] == ((13, 9) if orientation > 4 else (9, 13))
    assert np.array_equal(pixels, decode(data, max_megapixels=1))


def test_the_note_of_the_orientation_can_be_taken_out_as_the_page_says() -> None:
    _, opened = stored(IMAGES["RGB"], exif=turned(6))
    by_hand = opened.transpose(Image.Transpose.ROTATE_270)
    del by_hand.getexif()[0x0112]
    upright = to_pixels(opened, max_megapixels=1)
    assert np.array_equal(to_pixels(by_hand, max_megapixels=1), upright)
    assert np.array_equal(to_pixels(ImageOps.exif_transpose(opened), max_megapixels=1), upright)


def test_colour_keys_and_transparent_palettes_are_laid_on_white() -> None:
    keyed, _ = stored(IMAGES["RGB"], transparency=tuple(int(level) for level in np.asarray(IMAGES["RGB"])[0, 0]))
    palette, _ = stored(IMAGES["P"], transparency=3)
    for data in (keyed, palette):
        pixels = to_pixels(Image.open(io.BytesIO(data)), max_megapixels=1)
        assert np.array_equal(pixels, decode(data, max_megapixels=1))
    first = to_pixels(Image.open(io.BytesIO(keyed)), max_megapixels=1)[0, 0]
    assert list(first) == [255, 255, 255]


def test_an_embedded_profile_becomes_srgb(caplog: pytest.LogCaptureFixture) -> None:
    data, opened = stored(IMAGES["RGB"], icc_profile=DISPLAY_P3)
    pixels = to_pixels(opened, max_megapixels=1)
    assert np.array_equal(pixels, decode(data, max_megapixels=1))
    assert not np.array_equal(pixels, np.asarray(IMAGES["RGB"]))
    opened.info["icc_profile"] = b"no profile"
    assert np.array_equal(to_pixels(opened, max_megapixels=1), np.asarray(IMAGES["RGB"]))
    assert "its colour profile cannot be read" in caplog.text


def test_arrays() -> None:
    grey, rgb, rgba = noise(9, 13), noise(9, 13, 3), noise(9, 13, 4)
    assert np.array_equal(to_pixels(rgb[:, ::-1], max_megapixels=1), rgb[:, ::-1])
    assert np.array_equal(to_pixels(grey, max_megapixels=1), np.stack([grey] * 3, -1))
    assert np.array_equal(to_pixels(rgba, max_megapixels=1), to_pixels(Image.fromarray(rgba), max_megapixels=1))
    clear = np.zeros((2, 2, 4), np.uint8)
    assert to_pixels(clear, max_megapixels=1).min() == 255


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((9, 13, 3), np.float32), "its numbers are float32; give uint8, 0 to 255"),
        (np.zeros((9, 13, 2), np.uint8), r"its shape is \(9, 13, 2\)"),
        (np.zeros((2, 9, 13, 3), np.uint8), r"holds several pictures; give list\(array\)"),
        (np.zeros((0, 13, 3), np.uint8), "13 x 0 pixels are no picture"),
        (np.zeros((1001, 1000), np.uint8), "1000 x 1001 pixels are more than max_megapixels=1"),
        (Image.new("RGB", (1001, 1000)), "1001 x 1000 pixels are more than max_megapixels=1"),
        (Image.new("F", (9, 13)), "its numbers are no colours"),
        (Image.fromarray(np.full((2, 2), 70000, np.int32)), "no grey of 16 bits"),
        (b"GIF89a", "bytes is no picture; give a PIL image"),
        (None, "NoneType is no picture"),
    ],
)
def test_what_is_refused(picture: object, said: str) -> None:
    assert is_one_picture(picture)
    with pytest.raises(PictureError, match=said):
        to_pixels(picture, max_megapixels=1)


def test_an_image_that_is_cut_off() -> None:
    file = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(file, "JPEG")
    with pytest.raises(PictureError, match="the image cannot be read"):
        to_pixels(Image.open(io.BytesIO(file.getvalue()[:-600])), max_megapixels=1)
