"""TIFF, GIF, AVIF and HEIC files, read by Pillow's own classes and by pillow-heif: sizes first, then pixels.

`Image.open` is not used: it tries all formats of an installation, and has a limit of its own to the size. Of a file
with several pictures the first is read, of a HEIC the main one.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, features
from PIL.ImageFile import ImageFile

from cartoon_dist.errors import PictureError
from cartoon_dist.extras import missing
from cartoon_dist.image.codec import Pixels, captured_stderr
from cartoon_dist.image.colour_space import ColourSpace
from cartoon_dist.image.exif import UPRIGHT, orientation_of
from cartoon_dist.image.exif_copy import kept_exif
from cartoon_dist.image.file_kinds import FileFormat
from cartoon_dist.image.isobmff import main_picture

_EXIF_MARK = b"Exif\0\0"
_NAMES = {"tiff": "TIFF", "gif": "GIF", "avif": "AVIF", "heic": "HEIC"}
_PHOTOMETRIC, _WHITE_IS_ZERO, _ORIENTATION, _PROFILE = 262, 0, 274, 34675
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, TypeError, RuntimeError, EOFError, KeyError, IndexError)
"""What Pillow and pillow-heif raise for a damaged file; each damage meets another check of theirs."""

RequireSize = Callable[[int, int], None]
"""Raises PictureError for a width and height that are too large."""


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """A picture as its file holds it: `pixels` (h, w) grey, (h, w, 3) RGB or (h, w, 4) CMYK, of 8 or 16 bits; `alpha`
    (h, w) of as many bits; its colour space; the EXIF orientation still to be applied; its EXIF block."""

    pixels: Pixels
    alpha: Pixels | None
    colours: ColourSpace
    orientation: int
    exif: bytes


def read_stored(data: bytes, file_format: FileFormat, require_size: RequireSize) -> StoredPicture:
    """Read a TIFF, GIF, AVIF or HEIC file; PictureError for one that is damaged, or refused by `require_size`, which is
    called before any pixel is decoded, and for a HEIC where the library for it is not installed."""
    name = _NAMES[file_format]
    lines: list[str] = []
    try:
        with warnings.catch_warnings(), captured_stderr(lines):
            warnings.simplefilter("ignore")  # of odd metadata; what is wrong with pixels is an error
            return _READERS[file_format](data, require_size)
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        raise PictureError(f"the {name} file claims more pixels than it may have") from None
    except _DECODER_ERRORS as error:
        reason = " ".join(str(error).split()) or "no reason given"
        raise PictureError(f"the {name} file is damaged ({reason})") from None


@contextmanager
def _opened(image: ImageFile, require_size: RequireSize) -> Iterator[ImageFile]:
    with image:
        require_size(*image.size)
        yield image


def _tiff(data: bytes, require_size: RequireSize) -> StoredPicture:
    from PIL.TiffImagePlugin import TiffImageFile

    with _opened(TiffImageFile(BytesIO(data)), require_size) as image:
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        inverted = image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        profile = tags.get(_PROFILE)
        pixels, alpha = _channels(image)
        # Pillow turns a TIFF while it reads the pixels, and then removes the tag.
        orientation = tags.get(_ORIENTATION, UPRIGHT)
    return StoredPicture(
        pixels=65535 - pixels if inverted else pixels,
        alpha=alpha,
        colours=ColourSpace(profile=bytes(profile)) if profile else ColourSpace(),
        orientation=orientation if orientation in range(1, 9) else UPRIGHT,
        exif=kept_exif(data, keep_place=True),  # the block of a TIFF is the whole file
    )


def _gif(data: bytes, require_size: RequireSize) -> StoredPicture:
    from PIL.GifImagePlugin import GifImageFile

    with _opened(GifImageFile(BytesIO(data)), require_size) as image:
        pixels, alpha = _channels(image)
    return StoredPicture(pixels=pixels, alpha=alpha, colours=ColourSpace(), orientation=UPRIGHT, exif=b"")


def _avif(data: bytes, require_size: RequireSize) -> StoredPicture:
    from PIL.AvifImagePlugin import AvifImageFile

    if not features.check("avif"):
        raise PictureError("this Pillow was built without AVIF; type: pip install --upgrade pillow")
    main = main_picture(data)
    require_size(main.width, main.height)
    with _opened(AvifImageFile(BytesIO(data)), require_size) as image:
        # Pillow tells the file's own turn and mirror as the orientation of its EXIF.
        exif = bytes(image.info.get("exif", b"")).removeprefix(_EXIF_MARK)
        pixels, alpha = _channels(image)
    return StoredPicture(pixels=pixels, alpha=alpha, colours=main.colours, orientation=orientation_of(exif), exif=exif)


def _heic(data: bytes, require_size: RequireSize) -> StoredPicture:
    try:
        import pillow_heif
    except ImportError as error:
        raise PictureError(str(missing("pillow-heif", "heic"))) from error
    main = main_picture(data)
    require_size(main.width, main.height)
    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
    image = file[file.primary_index]
    require_size(*image.size)  # what the decoder goes by, should it differ
    block = image.info["exif"]
    exif = block.removeprefix(_EXIF_MARK) if isinstance(block, bytes) else b""
    pixels, alpha = _channels(image.to_pillow())
    # The decoder has turned the picture as the file says; the orientation in EXIF says the same once more.
    return StoredPicture(pixels=pixels, alpha=alpha, colours=main.colours, orientation=UPRIGHT, exif=exif)


_READERS: dict[FileFormat, Callable[[bytes, RequireSize], StoredPicture]] = {
    "tiff": _tiff,
    "gif": _gif,
    "avif": _avif,
    "heic": _heic,
}


def _channels(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """Colours (h, w) or (h, w, 3 or 4) and alpha (h, w) of a picture; PictureError for pixels of another kind."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16), None
    if image.mode in ("1", "P", "PA", "YCbCr", "RGBX") or "transparency" in image.info:
        image.load()
        with_alpha = image.mode == "PA" or "transparency" in image.info
        image = image.convert("L" if image.mode == "1" else "RGBA" if with_alpha else "RGB")
    match image.mode:
        case "L" | "RGB" | "CMYK":
            return np.asarray(image), None
        case "LA" | "RGBA":
            both = np.asarray(image)
            colours = both[..., 0] if image.mode == "LA" else both[..., :3]
            return np.ascontiguousarray(colours), np.ascontiguousarray(both[..., -1])
        case other:
            raise PictureError(f"its pixels are stored as {other}; save it anew with 8 or 16 bits of grey, RGB or CMYK")
