"""Pictures of other colour spaces become sRGB: against the published matrices and curves, computed here."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from cartoon_dist.data.inputs.external_labels import read_map
from cartoon_dist.data.inputs.sources import InputPicture
from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import decode, decode_file
from tests.profiles import (
    DISPLAY_P3,
    P3_TO_SRGB,
    SRGB_CURVE,
    chunk,
    from_light,
    gamma_curve,
    iccp,
    ink_profile,
    png,
    profile,
    to_light,
    with_profile,
)

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
NEAR = 2  # grey levels


def colours(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


def decoded(data: bytes) -> np.ndarray:
    return decode(data, max_megapixels=1).astype(int)


def as_p3(rgb: np.ndarray) -> np.ndarray:
    return from_light(to_light(rgb) @ P3_TO_SRGB.T)


def webp(rgb: np.ndarray, content: bytes) -> bytes:
    held = io.BytesIO()
    Image.fromarray(rgb).save(held, "WEBP", lossless=True, icc_profile=content)
    return held.getvalue()


def bmp(rgb: np.ndarray, content: bytes) -> bytes:
    """A BITMAPV5HEADER with an embedded profile behind the pixels; the width must be a multiple of 4."""
    height, width = rgb.shape[:2]
    pixels = rgb[::-1, :, ::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0) + bytes(16) + b"DEBM"
    head = head.ljust(108, b"\0") + struct.pack("<IIII", 4, 124 + len(pixels), len(content), 0)
    return b"BM" + struct.pack("<IHHI", 138 + len(pixels) + len(content), 0, 0, 138) + head + pixels + content


def test_display_p3_in_every_kind_of_file() -> None:
    rgb = colours(12, 16, 3)
    for data in (png(rgb, iccp(DISPLAY_P3)), webp(rgb, DISPLAY_P3), bmp(rgb, DISPLAY_P3)):
        assert np.abs(decoded(data) - as_p3(rgb)).max() <= NEAR
        assert np.abs(decoded(data) - rgb).max() > 20
        assert not decode_file(data, max_megapixels=1).as_stored
    jpeg = cv2.imencode(".jpg", cv2.resize(rgb, (64, 48)))[1].tobytes()
    stored = decoded(jpeg)
    for part_bytes in (65519, 100):
        data = with_profile(jpeg, DISPLAY_P3, part_bytes)
        assert np.abs(decoded(data) - as_p3(stored)).max() <= NEAR
    wide = png(rgb.astype(np.uint16) * 257, iccp(DISPLAY_P3), bits=16)
    assert np.abs(decoded(wide) - as_p3(rgb)).max() <= NEAR


def test_alpha_and_orientation_come_after_the_colours() -> None:
    rgba = colours(8, 12, 4)
    alpha = rgba[..., 3:] / 255
    expected = as_p3(rgba[..., :3]) * alpha + 255 * (1 - alpha)
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    found = decoded(png(rgba, iccp(DISPLAY_P3), chunk(b"eXIf", exif)))
    assert np.abs(found - np.rot90(expected, -1)).max() <= NEAR


def test_srgb_and_no_profile_give_the_bytes_that_are_stored() -> None:
    rgb, grey = colours(12, 16, 3), colours(12, 16)
    by_hand = profile(b"RGB ", SRGB_CURVE, ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)))  # fmt: skip  # noqa: E501
    near_gamma, own = chunk(b"gAMA", struct.pack(">I", 45455)), (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    for chunks in (
        [iccp(SRGB)],
        [iccp(by_hand)],
        [near_gamma, chunk(b"cHRM", struct.pack(">8I", *own))],
        [chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100000))],  # sRGB goes before gAMA
        [chunk(b"cICP", bytes([1, 13, 0, 1])), iccp(DISPLAY_P3)],
        [],
    ):
        assert np.array_equal(decoded(png(rgb, *chunks)), rgb)
        assert decode_file(png(rgb, *chunks), max_megapixels=1).as_stored
    jpeg = cv2.imencode(".jpg", rgb)[1].tobytes()
    assert np.array_equal(decoded(with_profile(jpeg, SRGB)), decoded(jpeg))
    # Programs that make a picture grey leave the profile of its colours in it.
    assert np.array_equal(decoded(png(grey, iccp(SRGB)))[..., 1], grey)


def test_grey_profiles() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = from_light((grey / 255) ** 1.5)
    content = profile(b"GRAY", gamma_curve(1.5))
    jpeg = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    for data, exact in (
        (png(grey, iccp(content)), expected),
        (png(grey.astype(np.uint16) * 257, iccp(content), bits=16), expected),
        (with_profile(jpeg, content), from_light((decoded(jpeg)[..., 0] / 255) ** 1.5)),
    ):
        assert np.abs(decoded(data) - exact[..., None]).max() <= NEAR
    alpha = np.stack([grey, np.full_like(grey, 51)], -1)
    found = decoded(png(alpha, iccp(content)))
    assert np.abs(found - (0.2 * expected + 0.8 * 255)[..., None]).max() <= NEAR


def test_what_png_says_in_numbers() -> None:
    rgb = colours(12, 16, 3)
    linear = chunk(b"gAMA", struct.pack(">I", 100000))
    assert np.abs(decoded(png(rgb, linear)) - from_light(rgb / 255)).max() <= 1
    assert np.abs(decoded(png(rgb[..., 0], linear)) - from_light(rgb[..., :1] / 255)).max() <= 1
    p3 = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))
    for said in (p3, chunk(b"cICP", bytes([12, 13, 0, 1]))):
        assert np.abs(decoded(png(rgb, said)) - as_p3(rgb)).max() <= 1
    # White stays white, whatever light it was seen under.
    d50 = chunk(b"cHRM", struct.pack(">8I", 34570, 35850, 64000, 33000, 21000, 71000, 15000, 6000))
    assert decoded(png(np.full((1, 1, 3), 255, np.uint8), d50)).tolist() == [[[255] * 3]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_camera_that_is_set_to_adobe_rgb(order: str) -> None:
    def directory(tag: int, kind: int, value: bytes) -> bytes:
        return struct.pack(f"{order}HHHI", 1, tag, kind, 1) + value + bytes(4)

    exif = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    exif += directory(0x8769, 4, struct.pack(f"{order}I", 26)) + directory(0xA005, 4, struct.pack(f"{order}I", 44))
    exif += directory(1, 2, b"R03\0")
    jpeg = cv2.imencode(".jpg", cv2.resize(colours(12, 16, 3), (64, 48)))[1].tobytes()
    segment = b"Exif\0\0" + exif
    marked = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]
    # Adobe RGB (1998) to XYZ, and XYZ to sRGB, both under D65 and as they are published.
    to_xyz = [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]]
    to_srgb = [[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]]
    light = (decoded(jpeg) / 255) ** 2.19921875
    expected = from_light(light @ (np.array(to_srgb) @ np.array(to_xyz)).T)
    assert np.abs(decoded(marked) - expected).max() <= 1
    assert np.array_equal(decoded(marked.replace(b"R03\0", b"R98\0")), decoded(jpeg))


def test_numbers_that_are_no_colours_stay(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for chunks in ([iccp(profile(b"GRAY", gamma_curve(1.5)))], [chunk(b"iCCP", b"x\0\0abc")]):
        (tmp_path / "a.png").write_bytes(png(grey, *chunks))
        found = read_map(InputPicture("a.jpg", "s", "train", 1), tmp_path, original=(16, 16), size=16, max_megapixels=1)
        assert np.array_equal(found, grey)


def test_cmyk() -> None:
    inks = np.zeros((32, 32, 4), np.uint8)
    inks[:16, :, 0], inks[16:, :, 3] = 255, 128
    held = io.BytesIO()
    Image.frombytes("CMYK", (32, 32), inks.tobytes()).save(held, "JPEG", quality=100)
    found = decoded(held.getvalue())  # (1 - ink) (1 - black)
    assert np.abs(found[4, 4] - [0, 255, 255]).max() <= NEAR
    assert np.abs(found[28, 4] - [127, 127, 127]).max() <= NEAR
    # By this profile cyan ink is Lab 53 80 67, which is sRGB's red.
    content = ink_profile({(0, 0, 0, 0): (255, 128, 128), (1, 0, 0, 0): (136, 208, 195)})
    found = decoded(with_profile(held.getvalue(), content))
    assert np.abs(found[4, 4] - [255, 0, 0]).max() <= 4
    with pytest.raises(PictureError, match="its colour profile is for RGB and not for its pixels"):
        decoded(with_profile(held.getvalue(), DISPLAY_P3))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_colour_key_is_laid_on_white(bits: int) -> None:
    grey = np.arange(16).reshape(2, 8) % (1 << bits)
    found = decoded(png(grey, chunk(b"tRNS", struct.pack(">H", 1)), bits=bits))[..., 0]
    stored = decoded(png(grey, bits=bits))[..., 0]
    assert np.array_equal(found, np.where(grey == 1, 255, stored))


@pytest.mark.parametrize("bits", [8, 16])
def test_an_rgb_colour_key_is_laid_on_white(bits: int) -> None:
    rgb = np.arange(24).reshape(2, 4, 3) * (257 if bits == 16 else 1)
    found = decoded(png(rgb, chunk(b"tRNS", struct.pack(">HHH", *rgb[1, 2].tolist())), bits=bits))
    expected = np.arange(24).reshape(2, 4, 3)
    expected[1, 2] = 255
    assert np.array_equal(found, expected)


def test_sixteen_bit_grey_with_alpha() -> None:
    stored = np.array([[[0, 65535], [65535, 65535], [0, 0], [0, 13107]]])
    assert decoded(png(stored, bits=16))[0, :, 0].tolist() == [0, 255, 255, 204]


def test_colours_that_are_not_known_are_told() -> None:
    rgb = colours(4, 4, 3)
    jpeg = cv2.imencode(".jpg", rgb)[1].tobytes()
    lost = with_profile(jpeg, DISPLAY_P3, 100)
    lost = lost.replace(b"ICC_PROFILE\0\2", b"ICC_PROFILE\0\3")
    for data, why in (
        (png(rgb, iccp(b"no profile at all")), "its colour profile cannot be read"),
        (png(rgb, chunk(b"iCCP", b"x\0\0abc")), "its iCCP chunk is damaged"),
        (png(rgb, iccp(profile(b"GRAY", gamma_curve(2.0)))), "its colour profile is for GRAY and not for its pixels"),
        (png(rgb, chunk(b"cICP", bytes([9, 16, 0, 1]))), "cICP 9-16-0-1, HDR by PQ"),
        (png(rgb, chunk(b"cHRM", struct.pack(">8I", *[30000] * 8))), "impossible primaries"),
        (lost, "a part of its colour profile is missing"),
    ):
        with pytest.raises(PictureError, match=why):
            decode(data, max_megapixels=1)
        taken = decode_file(data, max_megapixels=1, damaged="take")
        assert taken.complaint is not None
        assert not taken.as_stored
