"""Encode a drawing as a file that people pass on: JPEG, PNG or WebP, with what is to be known of the photo.

Shards and sheets hold PNGs of `image/png.py`, whose bytes are the same on every machine; that needs numba, which an
installation that only draws does not have. Here Pillow writes, and only the pixels of a PNG are certain.
"""

from io import BytesIO
from typing import Literal, get_args

from PIL import Image

from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Picture

DrawingFormat = Literal["jpg", "png", "webp"]
DRAWING_FORMATS: tuple[DrawingFormat, ...] = get_args(DrawingFormat)
DEFAULT_QUALITY = 95
"""Of JPEG and WebP, 1 to 100: the loss is not seen, and a drawing takes a third to a tenth of a PNG."""
_MAX_SIDES: dict[DrawingFormat, int] = {"jpg": 65_535, "png": 2**31 - 1, "webp": 16_383}
_NAMES: dict[DrawingFormat, str] = {"jpg": "JPEG", "png": "PNG", "webp": "WebP"}
_EXIF_MARK = b"Exif\0\0"


def encode(
    picture: Picture,
    file_format: DrawingFormat,
    *,
    quality: int = DEFAULT_QUALITY,
    exif: bytes | None = None,
    icc: bytes | None = None,
) -> bytes:
    """Encode a picture, uint8 sRGB (h, w, 3).

    quality: 1 to 100, of JPEG, which keeps the full resolution of colours (4:4:4), and WebP. exif: a block as
    `exif_copy.kept_exif` gives it, without a mark before it. icc: a profile; `srgb.srgb_profile()` is the one of these
    pixels. PictureError where the format cannot hold so long a side.
    """
    require_side(picture.shape[0], picture.shape[1], file_format)
    image = Image.fromarray(picture)
    if picture.ndim == 2:
        image = image.convert("RGB")
    more: dict[str, object] = {"icc_profile": icc or None}
    if exif:
        more["exif"] = _EXIF_MARK + exif
    match file_format:
        case "jpg":
            more |= {"quality": quality, "subsampling": 0, "optimize": True}
        case "webp":
            more |= {"quality": quality, "method": 4}
        case "png":
            pass
    file = BytesIO()
    image.save(file, _NAMES[file_format], **more)
    return file.getvalue()


def require_side(height: int, width: int, file_format: DrawingFormat) -> None:
    """PictureError where a format cannot hold a picture of this size."""
    longest = _MAX_SIDES[file_format]
    if max(height, width) > longest:
        raise PictureError(
            f"{width} x {height} pixels: a {_NAMES[file_format]} has at most {longest} on a side; draw it as format=png"
        )
