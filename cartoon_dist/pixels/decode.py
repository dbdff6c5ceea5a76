"""From a file's bytes to 8-bit RGB; the one place that knows what files may hold."""

import cv2
import numpy as np
import numpy.typing as npt

from cartoon_dist.errors import PictureError
from cartoon_dist.pixels.header import Header, read_header

Picture = npt.NDArray[np.uint8]
"""A picture as it lies in memory: (h, w, 3) RGB, or (h, w) grey, 0..255."""
_SILENT = 0
# OpenCV moved this function in 4.13.
_set_log_level = getattr(cv2.utils, "logging", cv2).setLogLevel


def decode(data: bytes, *, max_megapixels: float) -> Picture:
    """Decode a JPEG, PNG, WebP or BMP file into uint8 RGB (h, w, 3), upright.

    Grey becomes RGB, alpha is laid on white, 16 bits are scaled to 8, EXIF orientation is applied. Raises PictureError
    when the file is broken or larger than max_megapixels; that is judged by the header, before anything is decoded.
    """
    header = read_header(data)
    megapixels = header.width * header.height / 1e6
    if megapixels > max_megapixels:
        raise PictureError(f"{header.width} x {header.height} pixels are more than max_megapixels={max_megapixels:g}")
    return turn(_on_white(_eight_bits(_stored_pixels(data, header))), header.orientation)


def turn(picture: Picture, orientation: int) -> Picture:
    """Undo the EXIF orientation (1..8): the camera's row 0 and column 0 go where the number says they were."""
    if orientation >= 5:  # 5..8 hold rows as columns
        picture = picture.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def _stored_pixels(data: bytes, header: Header) -> npt.NDArray[np.generic]:
    buffer = np.frombuffer(data, np.uint8)
    try:
        # OpenCV's log would print its own account of a broken file.
        level = _set_log_level(_SILENT)
        try:
            pixels = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
        finally:
            _set_log_level(level)
    except cv2.error as error:
        raise PictureError(f"the {header.kind.upper()} file cannot be decoded ({error.err})") from None
    if pixels is None:
        raise PictureError(f"the {header.kind.upper()} file is broken")
    if pixels.shape[:2] != (header.height, header.width):
        height, width = pixels.shape[:2]
        raise PictureError(
            f"the header says {header.width} x {header.height} pixels, the file holds {width} x {height}"
        )
    return np.asarray(pixels)


def _eight_bits(pixels: npt.NDArray[np.generic]) -> Picture:
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 / 257 = 255, rounded to nearest
    if pixels.dtype != np.uint8:
        raise PictureError(f"its pixels are of type {pixels.dtype}; give it as 8 or 16 bits")
    return pixels.astype(np.uint8, copy=False)


def _on_white(pixels: Picture) -> Picture:
    num_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if num_channels == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), np.uint8)
    if num_channels == 3:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    if num_channels != 4:
        raise PictureError(f"it has {num_channels} channels; give it as grey, RGB or RGB with alpha")
    alpha = pixels[..., 3:].astype(np.uint32)
    blended = (pixels[..., 2::-1] * alpha + 255 * (255 - alpha) + 127) // 255
    return blended.astype(np.uint8)
