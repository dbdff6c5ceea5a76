"""Pictures as Python programs hold them, a PIL image, a numpy array or a file, to the pixels that a generator draws."""

import logging
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cartoon_dist.errors import PictureError
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image.colour_space import ColourSpace
from cartoon_dist.image.decode import Picture, apply_orientation, decode, max_file_bytes
from cartoon_dist.image.exif import UPRIGHT
from cartoon_dist.image.srgb import UnknownColoursError, srgb_converter

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger(__name__)
_KINDS = "give a PIL image, a numpy array, the path of a file, or a list of these"
_ORIENTATION = 0x0112
_GREY_MODES = frozenset({"1", "L", "LA", "La", "I;16", "I;16L", "I;16B", "I;16N", "I"})
_ALPHA_MODES = frozenset({"RGBA", "RGBa", "PA"})


def is_one_picture(value: object) -> bool:
    """Whether this is one picture, and not an iterable of them; what is neither counts as one, for `to_pixels` to
    refuse."""
    return isinstance(value, (str, bytes, bytearray, os.PathLike, np.ndarray)) or not isinstance(value, Iterable)


def to_pixels(picture: object, *, max_megapixels: float) -> Picture:
    """The picture as (h, w, 3) uint8 sRGB, upright, alpha laid on white.

    A PIL image: turned by its EXIF orientation, its embedded colour profile turned into sRGB. A numpy array: uint8 in
    0..255, (h, w, 3) RGB, (h, w, 4) with alpha, or (h, w) grey. A str or a Path: a file, read as the command reads it.
    PictureError where it cannot be used, or has more than so many megapixels.
    """
    from PIL.Image import Image

    if isinstance(picture, (str, os.PathLike)):
        return _from_file(Path(picture), max_megapixels)
    if isinstance(picture, np.ndarray):
        pixels = _from_array(picture)
    elif isinstance(picture, Image):
        _check_size(picture.width, picture.height, max_megapixels)
        pixels = _from_image(picture)
    else:
        raise PictureError(f"{type(picture).__name__} is no picture; {_KINDS}")
    _check_size(pixels.shape[1], pixels.shape[0], max_megapixels)
    return pixels


def of_the_same_kind(drawing: Picture, picture: object) -> "npt.NDArray[np.uint8] | Image":
    """A drawing as the kind that its picture was: an array for an array, else a PIL image."""
    from PIL import Image

    return drawing if isinstance(picture, np.ndarray) else Image.fromarray(drawing)


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    if width * height > max_megapixels * 1e6:
        raise PictureError(f"{width} x {height} pixels are more than max_megapixels={max_megapixels:g}")
    if min(width, height) < 1:
        raise PictureError(f"{width} x {height} pixels are no picture")


def _from_file(path: Path, max_megapixels: float) -> Picture:
    try:
        data = read_regular(path.expanduser(), max_bytes=max_file_bytes(max_megapixels))
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror})") from None
    return decode(data, max_megapixels=max_megapixels)


def _from_array(pixels: npt.NDArray[Any]) -> Picture:
    if pixels.dtype != np.uint8:
        raise PictureError(f"its numbers are {pixels.dtype}; give uint8, 0 to 255")
    if pixels.ndim == 4:
        raise PictureError(f"an array of shape {pixels.shape} holds several pictures; give list(array)")
    if pixels.ndim == 2:
        return np.stack([pixels] * 3, -1)
    if pixels.ndim != 3 or pixels.shape[2] not in (3, 4):
        raise PictureError(f"its shape is {pixels.shape}; give (h, w, 3) RGB, (h, w, 4) with alpha, or (h, w) grey")
    return pixels if pixels.shape[2] == 3 else _on_white(pixels[..., :3], pixels[..., 3])


def _from_image(image: "Image") -> Picture:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's own, for example of odd metadata
            orientation = image.getexif().get(_ORIENTATION, UPRIGHT)
            colours, alpha = _colours_and_alpha(image)
    except (OSError, SyntaxError, ValueError) as error:  # it is decoded only now
        raise PictureError(f"the image cannot be read ({' '.join(str(error).split())})") from None
    rgb = _to_srgb(colours, image.info.get("icc_profile"))
    if alpha is not None:
        rgb = _on_white(rgb, alpha)
    return apply_orientation(rgb, orientation if orientation in range(1, 9) else UPRIGHT)


def _colours_and_alpha(image: "Image") -> tuple[Picture, Picture | None]:
    """(h, w) grey, (h, w, 3) RGB or (h, w, 4) CMYK, of 8 bits, and (h, w) alpha where there is any."""
    mode = image.mode
    has_alpha = mode in _ALPHA_MODES or "transparency" in image.info
    if mode.startswith("I"):
        return _sixteen_to_eight_bits(np.asarray(image)), None
    if mode in _GREY_MODES and mode not in ("LA", "La") and not has_alpha:
        return np.asarray(image.convert("L")), None
    if mode in _GREY_MODES:
        both = np.asarray(image.convert("LA"))
        return both[..., 0], both[..., 1]
    if mode == "CMYK":
        return np.asarray(image), None
    if mode == "F":
        raise ValueError("its numbers are no colours; give it as 8 bits")
    if not has_alpha:
        return np.asarray(image.convert("RGB")), None
    rgba = np.asarray(image.convert("RGBA"))
    return rgba[..., :3], rgba[..., 3]


def _sixteen_to_eight_bits(levels: npt.NDArray[Any]) -> Picture:
    """Grey of 16 bits, as PIL gives it, rounded to 8 as the decoder rounds it."""
    wide = levels.astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() > 65535):
        raise ValueError("its numbers are no grey of 16 bits")
    return ((wide + 128) // 257).astype(np.uint8)


def _to_srgb(colours: Picture, profile: bytes | None) -> Picture:
    num_channels = 1 if colours.ndim == 2 else colours.shape[2]
    try:
        convert = srgb_converter(ColourSpace(profile=profile or None), num_channels=num_channels)
    except UnknownColoursError as error:
        # Often left from before the image was converted: from CMYK for instance, by image.convert("RGB").
        _log.warning("warning: %s; it is ignored", error)
        convert = None
    if convert is not None:
        return convert(np.ascontiguousarray(colours))
    if num_channels == 4:
        from PIL import Image

        height, width = colours.shape[:2]
        return np.asarray(Image.frombytes("CMYK", (width, height), colours.tobytes()).convert("RGB"))
    return colours if num_channels == 3 else np.stack([colours] * 3, -1)


def _on_white(rgb: Picture, alpha: Picture) -> Picture:
    """Exactly as the decoder lays a file's alpha on white."""
    opaque = alpha[..., None].astype(np.uint32)
    return ((rgb * opaque + 255 * (255 - opaque) + 127) // 255).astype(np.uint8)
