"""What of a photo's EXIF its drawing keeps, read again by Pillow."""

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from cartoon_dist.image.decode import decode_file
from cartoon_dist.image.exif import orientation_of
from cartoon_dist.image.exif_copy import is_drawing, kept_exif

BASE, GPS = ExifTags.Base, ExifTags.GPS
LATITUDE = (52.0, 31.0, 12.0)


def photo(order: str = ">") -> bytes:
    """A JPEG as a phone writes it: turned, with a place, a thumbnail, notes and numbers."""
    exif = Image.Exif()
    exif.endian = order
    exif[BASE.Make], exif[BASE.Model], exif[BASE.Orientation] = "Maker", "Phone 1", 6
    exif[BASE.Software], exif[BASE.Copyright] = "firmware 7", "Ann"
    shot = exif.get_ifd(ExifTags.IFD.Exif)
    shot[BASE.DateTimeOriginal], shot[BASE.OffsetTimeOriginal] = "2026:07:01 10:20:30", "+02:00"
    shot[BASE.ExposureTime], shot[BASE.ISOSpeedRatings] = IFDRational(1, 100), 200
    shot[BASE.MakerNote], shot[BASE.UserComment], shot[BASE.BodySerialNumber] = b"x" * 300, b"secret", "S-123"
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[GPS.GPSLatitudeRef], place[GPS.GPSLatitude] = "N", LATITUDE
    file = BytesIO()
    Image.new("RGB", (8, 6), "red").save(file, "JPEG", exif=exif.tobytes())
    return file.getvalue()


def read(block: bytes) -> tuple[dict[int, object], dict[int, object], dict[int, object]]:
    """The first directory, that of the shot and that of the place, as Pillow reads them."""
    exif = Image.Exif()
    exif.load(block)
    return dict(exif), exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("keep_place", [False, True])
def test_camera_and_date_are_kept_and_the_place_on_request(order: str, keep_place: bool) -> None:  # noqa: FBT001
    kept = kept_exif(decode_file(photo(order), max_megapixels=1).exif, keep_place=keep_place)
    camera, shot, place = read(kept)
    assert (camera[BASE.Make], camera[BASE.Model], camera[BASE.Copyright]) == ("Maker", "Phone 1", "Ann")
    assert (camera[BASE.Orientation], camera[BASE.Software]) == (1, "cartoon-dist")
    assert (shot[BASE.DateTimeOriginal], shot[BASE.OffsetTimeOriginal]) == ("2026:07:01 10:20:30", "+02:00")
    assert (float(str(shot[BASE.ExposureTime])), shot[BASE.ISOSpeedRatings]) == (0.01, 200)
    assert shot[BASE.ColorSpace] == 1
    assert place == ({GPS.GPSLatitudeRef: "N", GPS.GPSLatitude: LATITUDE} if keep_place else {})
    for secret in (b"xxx", b"secret", b"S-123", b"firmware", *([] if keep_place else [struct.pack(f"{order}I", 52)])):
        assert secret not in kept
    assert not {BASE.MakerNote, BASE.UserComment, BASE.BodySerialNumber} & shot.keys()


def test_a_drawing_is_known_by_its_block_and_a_photo_is_not() -> None:
    block = decode_file(photo(), max_megapixels=1).exif
    assert not is_drawing(block)
    assert not is_drawing(b"")
    for photo_block in (block, b""):
        kept = kept_exif(photo_block, keep_place=False)
        assert is_drawing(kept)
        assert orientation_of(kept) == 1
        assert kept_exif(kept, keep_place=True) == kept


def test_a_thumbnail_is_left_behind() -> None:
    inner = struct.pack(">HHHIHHII", 1, 0x0112, 3, 1, 1, 0, 26, 0)
    block = b"MM\0*" + struct.pack(">I", 8) + inner + struct.pack(">H", 0) + bytes(4) + b"\xff\xd8 a thumbnail"
    assert b"thumbnail" not in kept_exif(block, keep_place=True)


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 500), value=st.integers(0, 255), cut=st.integers(0, 600))
def test_a_damaged_block_gives_a_whole_one(at: int, value: int, cut: int) -> None:
    block = bytearray(BLOCK)
    block[at % len(block)] = value
    kept = kept_exif(bytes(block[:cut]), keep_place=True)
    assert is_drawing(kept)
    assert len(kept) < 60_000
    read(kept)


def test_a_directory_that_points_at_itself_ends() -> None:
    loop = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 0x8769, 4, 1, 8) + bytes(4)
    assert is_drawing(kept_exif(loop, keep_place=True))


BLOCK = decode_file(photo(), max_megapixels=1).exif
