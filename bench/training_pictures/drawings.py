"""SVG drawings as pixels: read as what comes from outside, within bounds of size, shape and time."""

import gzip
import io
import re
import zlib
from types import ModuleType
from xml.etree.ElementTree import Element, ParseError

import cv2
import numpy as np

from bench.free_pictures import laid_on
from cartoon_dist.console.signals import time_limit
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.image.decode import Picture

MAX_SVG_BYTES = 8 << 20
MAX_ASPECT = 8.0
"""A drawing longer than this many times its short side is refused."""
SECONDS = 20.0
"""A drawing must be rendered in so many seconds: a few bytes of SVG can ask for years."""
_GZIP = b"\x1f\x8b"
_LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?)\s*(?:px|pt|pc|mm|cm|in)?\s*$", re.IGNORECASE)


class DrawingTimeout(Exception):  # noqa: N818 - no error of its own: it becomes a PictureError
    """A drawing took longer than SECONDS."""


def cairosvg() -> ModuleType:
    """The module that renders SVG; ConfigError says what is missing."""
    try:
        import cairosvg as module
    except ImportError as error:
        raise ConfigError(f"rendering SVG needs cairosvg: pip install 'cairosvg>=2.7' ({error})") from None
    except OSError as error:
        raise ConfigError(f"cairosvg finds no cairo: apt-get install libcairo2 ({error})") from None
    return module  # type: ignore[no-any-return]


def render(svg: bytes, *, short_side: int, name: str) -> Picture:
    """A drawing (.svg or .svgz) with its transparency: uint8 RGBA (h, w, 4), the short side `short_side` pixels.

    Nothing that the drawing names outside itself is read: no file, no address, no entity. PictureError, with the name,
    for one that is broken, too large, too long, or too slow.
    """
    engine = cairosvg()
    try:
        content = _unpacked(svg)
        ratio = _aspect(content)
        width, height = (
            (round(short_side * ratio), short_side) if ratio >= 1 else (short_side, round(short_side / ratio))
        )
        with time_limit(SECONDS, DrawingTimeout(f"not rendered in {SECONDS:g} s")):
            png = engine.svg2png(bytestring=content, output_width=width, output_height=height, unsafe=False)
    except (PictureError, DrawingTimeout) as error:
        raise PictureError(f"{name}: {error}") from None
    # A drawing from outside breaks the renderer in as many ways as there are attributes; none of them is ours.
    except Exception as error:
        raise PictureError(f"{name}: no drawing that cairosvg renders ({type(error).__name__}: {error})") from error
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), np.uint8)


def trimmed(rgba: Picture, *, name: str) -> Picture:
    """The part of the picture that is not wholly transparent; PictureError where all is."""
    opaque = rgba[..., 3] > 8
    rows, columns = np.flatnonzero(opaque.any(axis=1)), np.flatnonzero(opaque.any(axis=0))
    if not rows.size:
        raise PictureError(f"{name}: nothing is drawn")
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def on_white(rgba: Picture) -> Picture:
    """The picture laid on white: uint8 RGB (h, w, 3)."""
    return laid_on(np.array(255, np.uint8), rgba)


def _unpacked(svg: bytes) -> bytes:
    if not svg.startswith(_GZIP):
        content = svg[: MAX_SVG_BYTES + 1]
    else:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(svg)) as packed:
                content = packed.read(MAX_SVG_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise PictureError(f"damaged .svgz ({error})") from None
    if len(content) > MAX_SVG_BYTES:
        raise PictureError(f"more than {MAX_SVG_BYTES >> 20} MB of SVG")
    return content


def parsed(content: bytes) -> Element:
    """The drawing's outermost element; PictureError where it is no XML, or declares entities."""
    # defusedxml comes with cairosvg; it refuses entities, which can be made to fill the memory.
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise PictureError(f"no safe XML ({type(error).__name__}: {error})") from None
    return root


def _aspect(content: bytes) -> float:
    """Width divided by height, by the drawing's own size or else by its viewBox."""
    root = parsed(content)
    sizes = [_LENGTH.match(root.get(side, "")) for side in ("width", "height")]
    if all(sizes):
        width, height = (float(size[1]) for size in sizes if size)
    else:
        numbers = re.findall(r"[-+0-9.e]+", root.get("viewBox", ""), re.IGNORECASE)
        try:
            width, height = float(numbers[2]), float(numbers[3])
        except (IndexError, ValueError):
            raise PictureError("the drawing says no size") from None
    if not (width > 0 and height > 0 and 1 / MAX_ASPECT <= width / height <= MAX_ASPECT):
        raise PictureError(f"{width:g} x {height:g} is no shape of a picture")
    return width / height
