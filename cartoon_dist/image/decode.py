"""Decode a file's bytes into 8-bit sRGB; only this module knows the formats of picture files."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from cartoon_dist.errors import PictureError
from cartoon_dist.image.codec import Pixels, read_pixels
from cartoon_dist.image.colour_space import ColourSpace
from cartoon_dist.image.exif import UPRIGHT
from cartoon_dist.image.file_kinds import FileFormat, format_of
from cartoon_dist.image.header import ImageHeader, scan_header
from cartoon_dist.image.srgb import ToSRGB, UnknownColoursError, srgb_converter

Picture = npt.NDArray[np.uint8]
"""A picture as it lies in memory: (h, w, 3) RGB, or (h, w) grey, 0..255."""
Damaged = Literal["skip", "take"]
"""What to do with an incomplete file, or one whose colour space is unknown: refuse it, or use what can be decoded."""


class DamagedPictureError(PictureError):
    """A damaged picture that damaged="take" would accept."""


_BYTES_A_PIXEL, _BYTES_BESIDES = 8, 64 << 20


@dataclass(frozen=True)
class DecodedPicture:
    """A picture, uint8 RGB (h, w, 3), upright; whether any reader of its file sees exactly these pixels; whether it was
    stored in another colour space; and what is wrong with the file where damage was to be taken.

    `file_format` is what its first bytes say, `exif` its EXIF block ("II*..." or "MM...", empty without one), of a TIFF
    the part that `exif_copy.kept_exif` keeps; `has_profile` says whether an ICC profile was embedded.
    """

    picture: Picture
    as_stored: bool
    converted: bool = False
    complaint: str | None = None
    file_format: FileFormat = "png"
    exif: bytes = b""
    has_profile: bool = False


def max_file_bytes(max_megapixels: float) -> int:
    """The largest file of a picture with so many megapixels: 4 channels of 16 bits, and the metadata of cameras."""
    return int(max_megapixels * 1e6) * _BYTES_A_PIXEL + _BYTES_BESIDES


def decode(data: bytes, *, max_megapixels: float, colours: Literal["srgb", "ignored"] = "srgb") -> Picture:
    """Decode a JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or HEIC file into uint8 sRGB (h, w, 3), upright.

    The first bytes decide what it is, not the name; of several pictures in a file the first is read. Grey becomes RGB,
    alpha is laid on white, 16 bits are scaled to 8, EXIF orientation is applied, other colour spaces become sRGB unless
    they are to be ignored, as in a label, whose numbers are no colours. Raises PictureError when the file is damaged,
    of unknown colours, or larger than max_megapixels; that is judged by the header, before anything is decoded.
    """
    return decode_file(data, max_megapixels=max_megapixels, colours=colours).picture


def decode_file(
    data: bytes,
    *,
    max_megapixels: float,
    damaged: Damaged = "skip",
    colours: Literal["srgb", "ignored"] = "srgb",
) -> DecodedPicture:
    """As `decode`, with details about the file. With damaged="take" an incomplete JPEG or PNG gives what can be decoded
    of it, and unknown colours are taken for sRGB; PictureError where nothing can be decoded."""

    def require_size(width: int, height: int) -> None:
        if width * height / 1e6 > max_megapixels:
            raise PictureError(f"{width} x {height} pixels are more than max_megapixels={max_megapixels:g}")

    kind = format_of(data)
    if kind in ("tiff", "gif", "avif", "heic"):
        return _decode_by_pillow(data, kind, require_size, damaged=damaged, colours=colours)
    header = scan_header(data)
    require_size(header.width, header.height)
    if header.damage and damaged == "skip":
        raise DamagedPictureError(header.damage)
    pixels, complaint = _stored_pixels(data, header)
    convert, unknown = _converter(header.colours, _num_colours(header), colours)
    complaint = complaint or unknown
    if complaint and damaged == "skip":
        raise DamagedPictureError(complaint)
    if convert is not None and _num_colours(header) == _CMYK:
        picture = convert(_cmyk(data))
    else:
        picture = _on_white(
            _to_eight_bits(_with_colour_key_alpha(pixels, header)), convert, grey=_num_colours(header) == 1
        )
    as_stored = header.is_plain_rgb and header.orientation == UPRIGHT and convert is None and not complaint
    return DecodedPicture(
        apply_orientation(picture, header.orientation),
        as_stored,
        convert is not None,
        complaint or None,
        header.file_format,
        header.exif,
        header.colours.profile is not None,
    )


def _decode_by_pillow(
    data: bytes,
    kind: FileFormat,
    require_size: Callable[[int, int], None],
    *,
    damaged: Damaged,
    colours: Literal["srgb", "ignored"],
) -> DecodedPicture:
    # Imported here: most files are JPEG and PNG, and OpenCV reads these.
    from cartoon_dist.image.pillow_formats import read_stored

    stored = read_stored(data, kind, require_size)
    pixels = _to_eight_bits(stored.pixels)
    num_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    convert, complaint = _converter(stored.colours, num_channels, colours)
    if complaint and damaged == "skip":
        raise DamagedPictureError(complaint)
    if convert is not None:
        rgb = convert(pixels)
    elif num_channels == _CMYK:
        rgb = _inks_as_rgb(pixels)
    else:
        rgb = np.stack([pixels] * 3, -1) if num_channels == 1 else pixels
    if stored.alpha is not None:
        rgb = _laid_on_white(rgb, _to_eight_bits(stored.alpha)[..., None])
    return DecodedPicture(
        apply_orientation(rgb, stored.orientation),
        as_stored=False,
        converted=convert is not None,
        complaint=complaint or None,
        file_format=kind,
        exif=stored.exif,
        has_profile=stored.colours.profile is not None,
    )


def _converter(
    declared: ColourSpace, num_channels: int, colours: Literal["srgb", "ignored"]
) -> tuple[ToSRGB | None, str]:
    """The conversion to sRGB, None where there is nothing to convert, and why it is not known, or ""."""
    try:
        return (srgb_converter(declared, num_channels=num_channels) if colours == "srgb" else None), ""
    except UnknownColoursError as error:
        return None, f"{error}; save it anew as sRGB"


def apply_orientation(picture: Picture, orientation: int) -> Picture:
    """Undo the EXIF orientation (1..8): the camera's row 0 and column 0 go where the number says they were."""
    if orientation >= 5:  # 5..8 hold rows as columns
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def _stored_pixels(data: bytes, header: ImageHeader) -> tuple[Pixels, str]:
    """The pixels, blue first, and what is wrong with the file, or ""."""
    kind = header.file_format.upper()
    if header.file_format == "jpeg" and header.damage:
        data += b"\xff\xd9"  # OpenCV gives nothing of a JPEG without its end mark
    pixels, warning = read_pixels(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise PictureError(header.damage or f"the {kind} file is broken" + (f" ({warning})" if warning else ""))
    if pixels.shape[:2] != (header.height, header.width):
        height, width = pixels.shape[:2]
        raise PictureError(
            f"the header says {header.width} x {header.height} pixels, the file holds {width} x {height}"
        )
    return pixels, header.damage or (f"the {kind} file is damaged ({warning})" if warning else "")


_CMYK = 4


def _num_colours(header: ImageHeader) -> int:
    """Numbers that make a colour: 1 for grey, 3 for RGB, 4 for CMYK; alpha is none."""
    if header.file_format == "jpeg":
        return header.num_channels
    return 1 if header.num_channels <= 2 else 3


def _cmyk(data: bytes) -> Picture:
    """The inks of a CMYK JPEG, (h, w, 4), which OpenCV gives as RGB alone."""
    # Imported here: there are few such files. The class itself, as Image.open has a limit of its own to the size.
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        with warnings.catch_warnings(), JpegImageFile(BytesIO(data)) as image:
            warnings.simplefilter("ignore")  # for example of damaged EXIF: OpenCV has checked the pixels
            return np.asarray(image, np.uint8)
    except (OSError, SyntaxError) as error:
        raise PictureError(f"the JPEG file is damaged ({error})") from None


def _with_colour_key_alpha(pixels: Pixels, header: ImageHeader) -> Pixels:
    """A PNG's pixels with alpha where its header declares one colour transparent; OpenCV does so for RGB only."""
    if header.transparent_colour is None or pixels.ndim == 3:
        return pixels
    (key,) = header.transparent_colour
    scaled = key if header.bits == 16 else key * 255 // ((1 << header.bits) - 1)
    opaque = 65535 if header.bits == 16 else 255
    alpha = np.where(pixels == scaled, 0, opaque).astype(pixels.dtype)
    return np.stack([pixels, pixels, pixels, alpha], -1)


def _to_eight_bits(pixels: Pixels) -> Picture:
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 / 257 = 255, rounded to nearest
    if pixels.dtype != np.uint8:
        raise PictureError(f"its pixels are of type {pixels.dtype}; give it as 8 or 16 bits")
    return pixels.astype(np.uint8, copy=False)


def _on_white(pixels: Picture, convert: ToSRGB | None, *, grey: bool) -> Picture:
    """Stored pixels, blue first, as sRGB. Colours are converted before alpha lays them on white."""
    num_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if num_channels == 1:
        rgb = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    elif num_channels in (3, 4):
        rgb = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_BGR2RGB), np.uint8)
    else:
        raise PictureError(f"it has {num_channels} channels; give it as grey, RGB or RGB with alpha")
    if convert is not None:
        rgb = convert(np.ascontiguousarray(rgb[..., 0]) if grey else rgb)
    if num_channels != 4:
        return rgb
    return _laid_on_white(rgb, pixels[..., 3:])


def _laid_on_white(rgb: Picture, alpha: Picture) -> Picture:
    """(h, w, 3) by its alpha, (h, w, 1), on white."""
    alpha = alpha.astype(np.uint32)
    blended = (rgb * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)


def _inks_as_rgb(inks: Picture) -> Picture:
    """CMYK (h, w, 4) without a profile, as if inks were filters before white."""
    light = 255 - inks.astype(np.uint32)
    return ((light[..., :3] * light[..., 3:] + 127) // 255).astype(np.uint8)
