"""Every kind of picture file that turns up in a folder, whole and broken."""

import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Picture, decode, decode_file
from cartoon_dist.image.header import read_header
from tests.running import ROOT

SAMPLES = ROOT / "shards" / "samples"
PHOTO = (SAMPLES / "photos" / "reef-1.jpg").read_bytes()
MAX = 10.0
BY_OPENCV = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


def encoded(ending: str, picture: np.ndarray) -> bytes:
    return cv2.imencode(ending, picture)[1].tobytes()


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def exif(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_exif(jpeg: bytes, orientation: int) -> bytes:
    block = b"Exif\0\0" + exif(orientation)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize("ending", BY_OPENCV)
def test_all_kinds_decode_to_the_rgb_that_was_stored(ending: str) -> None:
    blue_left = np.zeros((24, 40, 3), np.uint8)
    blue_left[:, :20, 0] = 255  # OpenCV's order: blue first
    picture = decode(encoded(ending, blue_left), max_megapixels=MAX)
    assert (picture.shape, picture.dtype) == ((24, 40, 3), np.uint8)
    assert picture[0, 0].argmax() == 2
    assert picture[0, 0, 2] > 240
    assert picture[0, 39].max() < 16


@pytest.mark.parametrize("ending", BY_OPENCV)
def test_the_header_tells_the_size(ending: str) -> None:
    header = read_header(encoded(ending, noise(17, 31, 3)))
    assert (header.width, header.height) == (31, 17)


def test_grey_becomes_rgb() -> None:
    grey = noise(9, 7)
    assert np.array_equal(decode(encoded(".png", grey), max_megapixels=MAX), np.stack([grey] * 3, -1))


def test_alpha_is_laid_on_white() -> None:
    stored = np.array([[[0, 0, 0, 0], [30, 20, 10, 255], [0, 0, 0, 51]]], np.uint8)
    # 51/255 is a fifth of black on four fifths of white.
    assert decode(encoded(".png", stored), max_megapixels=MAX).tolist() == [[[255] * 3, [10, 20, 30], [204] * 3]]


def test_sixteen_bits_are_scaled_down() -> None:
    stored = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    assert decode(encoded(".png", stored), max_megapixels=MAX)[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255]


def test_one_pixel() -> None:
    assert decode(encoded(".png", np.uint8([[[3, 2, 1]]])), max_megapixels=MAX).tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone_as_opencv_undoes_it(orientation: int) -> None:
    data = with_exif(encoded(".jpg", noise(16, 24, 3)), orientation)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(decode(data, max_megapixels=MAX), expected)
    assert read_header(data).orientation == orientation


def test_exif_orientation_of_a_png() -> None:
    stored = noise(4, 6, 3)
    png = encoded(".png", stored)
    turned = png[:33] + png_chunk(b"eXIf", exif(6)) + png[33:]
    assert np.array_equal(decode(turned, max_megapixels=MAX), np.rot90(stored[..., ::-1], -1))


@pytest.mark.parametrize("block", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x09", exif(77)])
def test_exif_that_makes_no_sense_is_upright(block: bytes) -> None:
    png = encoded(".png", noise(4, 6, 3))
    assert read_header(png[:33] + png_chunk(b"eXIf", block) + png[33:]).orientation == 1


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_a_file_cut_off_anywhere_is_refused(ending: str, share: float) -> None:
    whole = encoded(ending, noise(64, 64, 3))
    with pytest.raises(PictureError):
        decode(whole[: int(len(whole) * share)], max_megapixels=MAX)


def test_a_jpeg_marker_may_have_any_number_of_0xff_before_it() -> None:
    jpeg = encoded(".jpg", noise(16, 24, 3))
    end = jpeg.rindex(b"\xff\xd9")
    frame = jpeg.index(b"\xff\xc0")
    filled = jpeg[:frame] + b"\xff\xff" + jpeg[frame:end] + b"\xff" + jpeg[end:]
    assert read_header(filled) == read_header(jpeg)
    with pytest.raises(PictureError, match="cut off"):
        read_header(filled[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\4\0\0\0WEBP",
        b"BM",
        b"GIF89a",
        b"II*\0",
        b"\0\0\0\x10ftypavif\0\0\0\0",
        b"words",
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError):
        decode(data, max_megapixels=MAX)


def test_a_flipped_bit_in_a_png_is_found() -> None:
    data = bytearray(encoded(".png", noise(32, 32, 3)))
    data[len(data) // 2] ^= 1
    with pytest.raises(PictureError, match="damaged"):
        decode(bytes(data), max_megapixels=MAX)


def progressive(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


def without_last_scan(jpeg: bytes) -> bytes:
    return jpeg[: jpeg.rindex(b"\xff\xda")] + b"\xff\xd9"


def packed_short(picture: np.ndarray) -> bytes:
    """A PNG whose pixels end early in a chunk whose sum is right."""
    whole = zlib.compress(b"".join(b"\0" + row.tobytes() for row in picture))
    header = struct.pack(">IIBBBBB", picture.shape[1], picture.shape[0], 8, 2, 0, 0, 0)
    cut = png_chunk(b"IDAT", whole[: len(whole) // 2])
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + cut + png_chunk(b"IEND", b"")


DAMAGED = {
    "half": (PHOTO[: len(PHOTO) // 2] + b"\xff\xd9", "premature end of data segment"),
    "without end": (PHOTO[: len(PHOTO) // 2], "cut off"),
    "odd byte": (PHOTO[: len(PHOTO) // 2] + b"\x55" + PHOTO[len(PHOTO) // 2 + 1 :], "extraneous bytes before marker"),
    "less fine": (without_last_scan(progressive(noise(32, 32, 3))), "not all of its scans"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_the_decoder_complains_of_is_damage(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    data, complaint = DAMAGED[name]
    with pytest.raises(PictureError, match=complaint):
        decode(data, max_megapixels=MAX)
    taken = decode_file(data, max_megapixels=MAX, damaged="take")
    assert taken.complaint is not None
    assert complaint in taken.complaint
    assert not taken.as_stored
    assert taken.picture.std() > 1
    assert capfd.readouterr() == ("", "")


def test_a_decoder_that_gives_nothing_is_not_heard_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for data, complaint in (
        (packed_short(noise(16, 16, 3)), r"PNG file is broken \(Not enough image data\)"),
        (encoded(".bmp", noise(16, 16, 3))[:-1], "BMP file is broken"),
    ):
        for damaged in ("skip", "take"):
            with pytest.raises(PictureError, match=complaint):
                decode_file(data, max_megapixels=MAX, damaged=damaged)
    assert capfd.readouterr() == ("", "")


def test_what_a_decoder_says_of_other_things_than_pixels_is_no_damage(capfd: pytest.CaptureFixture[str]) -> None:
    stored = noise(4, 6, 3)
    png = encoded(".png", stored)
    with_bad_time = png[:33] + png_chunk(b"tIME", b"short") + png[33:]
    assert np.array_equal(decode(with_bad_time, max_megapixels=MAX), stored[..., ::-1])
    whole = progressive(noise(32, 32, 3))
    assert decode_file(whole, max_megapixels=MAX).as_stored
    sys.stderr.write("heard\n")
    assert capfd.readouterr() == ("", "heard\n")


def test_an_enormous_picture_is_refused_by_its_header() -> None:
    # 100,000 x 100,000 pixels in 57 bytes: decoding would take 30 GB.
    ihdr = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", ihdr) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")
    with pytest.raises(PictureError, match="100000 x 100000 pixels are more than max_megapixels=200"):
        decode(bomb, max_megapixels=200)


def test_the_limit_is_the_last_size_allowed() -> None:
    data = encoded(".png", noise(100, 100, 3))
    assert decode(data, max_megapixels=0.01).shape == (100, 100, 3)
    with pytest.raises(PictureError):
        decode(data, max_megapixels=0.009999)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(at=st.integers(0, len(PHOTO) - 1), value=st.integers(0, 255), cut=st.integers(0, len(PHOTO)))
def test_damage_gives_a_picture_or_a_picture_error(at: int, value: int, cut: int) -> None:
    data = bytearray(PHOTO)
    data[at] = value
    for damaged in (bytes(data), bytes(data[:cut])):
        try:
            picture: Picture = decode(damaged, max_megapixels=MAX)
        except PictureError:
            continue
        assert picture.ndim == 3


def test_where_the_c_library_cannot_be_overheard_pictures_are_read_all_the_same() -> None:
    """Not on Linux with glibc: no symbol `stderr`, or no such library at all."""
    code = (
        "import ctypes\n"
        "def missing(*_): raise OSError('no such library')\n"
        "ctypes.CDLL = missing\n"
        "from cartoon_dist.image.codec import read_pixels\n"
        "import cv2, numpy as np\n"
        "content = cv2.imencode('.png', np.full((4, 5, 3), 7, np.uint8))[1].tobytes()\n"
        "pixels, complaint = read_pixels(content, cv2.IMREAD_COLOR_RGB)\n"
        "assert pixels.shape == (4, 5, 3) and not complaint\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
