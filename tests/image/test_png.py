"""Our PNG files, read by OpenCV and checked byte by byte against the specification."""

import struct
import sys
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from cartoon_dist.image.crop import resize_and_crop
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.image.edges import smooth_edges
from cartoon_dist.image.png import encode_png
from tests.running import ROOT

CARTOON = ROOT / "shards" / "samples" / "cartoons" / "club.jpg"


def noise(*shape: int) -> Picture:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def steps(*shape: int) -> Picture:
    """Few values, so that neighbours are often equal and the filter's ties matter."""
    return noise(*shape) % 3 * np.uint8(100)


def reference_filtered(picture: Picture) -> bytes:
    """Section 9.4 of the PNG specification, written out: filter type 4, first row and first pixels included."""
    height, width = picture.shape[:2]
    rows = picture.reshape(height, -1).astype(int)
    step, out = rows.shape[1] // width, bytearray()
    for y in range(height):
        out.append(4)
        for x in range(rows.shape[1]):
            a = rows[y, x - step] if x >= step else 0
            b = rows[y - 1, x] if y else 0
            c = rows[y - 1, x - step] if y and x >= step else 0
            p = a + b - c
            pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
            predictor = a if pa <= pb and pa <= pc else b if pb <= pc else c
            out.append((rows[y, x] - predictor) % 256)
    return bytes(out)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    chunk_list, at = [], 8
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(name + body) == int.from_bytes(data[at + 8 + length : at + 12 + length], "big")
        chunk_list.append((name, body))
        at += 12 + length
    return chunk_list


SHAPES = [(1, 1), (1, 1, 3), (1, 9), (9, 1, 3), (2, 2, 3), (5, 7), (17, 31, 3), (300, 400, 3), (3, 2000)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("make_picture", [noise, steps, lambda *shape: np.full(shape, 200, np.uint8)])
def test_other_decoders_read_the_same_pixels(shape: tuple[int, ...], make_picture) -> None:  # noqa: ANN001
    picture = make_picture(*shape)
    data = encode_png(picture)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read[..., ::-1] if picture.ndim == 3 else read, picture)
    assert np.array_equal(decode(data, max_megapixels=1), picture if picture.ndim == 3 else np.stack([picture] * 3, -1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9, 3), (9, 1), (23, 14), (21, 17, 3)], ids=str)
@pytest.mark.parametrize("make_picture", [noise, steps])
def test_the_filtered_rows_match_the_specification(shape: tuple[int, ...], make_picture) -> None:  # noqa: ANN001
    picture = make_picture(*shape)
    data = encode_png(picture)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    (header, header_body), (idat, body), end = chunks(data)
    assert (header, idat, end) == (b"IHDR", b"IDAT", (b"IEND", b""))
    height, width = shape[:2]
    assert struct.unpack(">IIBBBBB", header_body) == (width, height, 8, 2 if len(shape) == 3 else 0, 0, 0, 0)
    assert zlib.decompress(body) == reference_filtered(picture)


def test_a_picture_that_is_not_contiguous() -> None:
    picture = noise(40, 50, 3)
    for view in (picture[::2, ::-1], picture[..., ::-1], picture[5:9, 7:30, 0], picture.swapaxes(0, 1)):
        assert encode_png(view) == encode_png(np.ascontiguousarray(view))


@pytest.mark.skipif(not hasattr(cv2, "IMWRITE_PNG_FILTER"), reason="OpenCV has an option for the filter since 4.12")
def test_files_are_as_small_as_opencvs() -> None:
    cartoon = resize_and_crop(decode(CARTOON.read_bytes(), max_megapixels=10), size=256).pixels
    options = [
        cv2.IMWRITE_PNG_STRATEGY,
        cv2.IMWRITE_PNG_STRATEGY_RLE,
        cv2.IMWRITE_PNG_FILTER,
        cv2.IMWRITE_PNG_FILTER_PAETH,
    ]
    for picture in (cartoon, smooth_edges(cartoon), cartoon[..., 0]):
        opencvs = len(cv2.imencode(".png", picture, options)[1])
        assert len(encode_png(picture)) < 1.02 * opencvs


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("made", [noise, steps])
def test_without_numba_the_same_rows_are_compressed_by_zlib(
    made: Callable[..., Picture], shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = made(*shape)
    monkeypatch.setitem(sys.modules, "numba", None)
    [_, (_, data), _] = chunks(encode_png(picture))
    assert zlib.decompress(data) == reference_filtered(picture)
