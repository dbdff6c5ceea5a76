"""Converts pixels of other colour spaces to sRGB, in which the whole package works.

An ICC profile is applied by LittleCMS (through Pillow), in whole bytes. What PNG declares in numbers is computed here:
to light by the transfer curve, from the file's primaries to sRGB's by a matrix, and back by sRGB's curve.

Sources: IEC 61966-2-1 (sRGB), ITU-T H.273 (cICP), Bradford's adaptation as in ICC.1:2022 annex E.
"""

import struct
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO

import numpy as np
import numpy.typing as npt

from cartoon_dist.image.colour_space import ColourSpace

Levels = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]
ToSRGB = Callable[[Levels], Levels]
"""From the stored numbers, (h, w, 3) or (h, w, 4) for CMYK or (h, w) for grey, to sRGB (h, w, 3)."""

_D65 = (0.3127, 0.3290)
_PRIMARIES: dict[int, tuple[float, ...]] = {
    1: (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    7: (*_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
"""x and y of white, red, green and blue, by cICP's code points."""
_SRGB_CURVE = frozenset({1, 6, 13, 14, 15})
"""cICP's transfer functions that are treated as sRGB's: video's is made for the same screens; browsers do so too."""
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_SRGB_GAMMA, _GAMMA_NEAR, _PRIMARIES_NEAR = 2.2, 0.05, 0.002
"""A gAMA and a cHRM this near are taken as sRGB's own: its curve is not a power, and encoders round."""
_SAME_LEVELS = 2
"""A profile that changes no colour by more (0..255) is one of the many of sRGB itself: its pixels stay as they are."""
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_PROFILE_DATE = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
_MODES = {"RGB ": ("RGB", 3), "GRAY": ("L", 1), "CMYK": ("CMYK", 4)}


class UnknownColoursError(Exception):
    """The colours are coded in a way that cannot be converted to sRGB; the text says which."""


def srgb_converter(colours: ColourSpace, *, num_channels: int) -> ToSRGB | None:
    """The conversion of a file's pixels to sRGB; None where they are sRGB already, as in nearly all files.

    num_channels: 1 for grey, 3 for RGB, 4 for CMYK. Raises UnknownColoursError.
    """
    if colours.unreadable:
        raise UnknownColoursError(colours.unreadable)
    if colours.profile is not None:
        return _profile_converter(colours.profile, num_channels)
    if colours.cicp is not None:
        return _code_point_converter(colours.cicp)
    primaries = colours.primaries or _PRIMARIES[1]
    if not _are_primaries(primaries):
        raise UnknownColoursError(f"its cHRM chunk gives impossible primaries ({', '.join(map(str, primaries))})")
    return _curve_and_primaries_converter(1 / colours.gamma if colours.gamma else None, primaries)


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """An ICC profile of sRGB, to embed in a drawing: 588 bytes, the same on every machine and day."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = _PROFILE_DATE  # LittleCMS puts the time of day there
    return bytes(profile)


def _code_point_converter(cicp: tuple[int, ...]) -> ToSRGB | None:
    primaries, transfer, matrix, full_range = cicp
    known = primaries in _PRIMARIES and (transfer in _SRGB_CURVE or transfer in _GAMMAS) and matrix == 0
    if not known or full_range != 1:
        hdr = {16: ", HDR by PQ", 18: ", HDR by HLG"}.get(transfer, "")
        raise UnknownColoursError(f"its colours are coded as cICP {'-'.join(map(str, cicp))}{hdr}")
    return _curve_and_primaries_converter(_GAMMAS.get(transfer), _PRIMARIES[primaries])


@lru_cache(maxsize=8)  # pictures of one camera have the same profile, and preparing one takes 10 ms
def _profile_converter(profile: bytes, num_channels: int) -> ToSRGB | None:
    # Imported here: nearly all pictures are sRGB or declare nothing.
    from PIL import Image, ImageCms

    try:
        opened = ImageCms.getOpenProfile(BytesIO(profile))
        space = opened.profile.xcolor_space
        mode, wanted = _MODES.get(space, ("", 0))
        spread = (
            num_channels == 1 and mode == "RGB"
        )  # programs that convert a picture to grey leave its RGB profile in it
        if wanted != num_channels and not spread:
            raise UnknownColoursError(f"its colour profile is for {space.strip()} and not for its pixels")
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise UnknownColoursError(f"its colour profile cannot be read ({' '.join(str(error).split())})") from None

    def convert(pixels: Levels) -> Levels:
        height, width = pixels.shape[:2]
        pixels = np.stack([pixels] * 3, -1) if spread else pixels
        image = Image.frombytes(mode, (width, height), np.ascontiguousarray(pixels).tobytes())
        return np.asarray(transform.apply(image), np.uint8)

    if num_channels == 4:
        return convert
    probe = _test_colours(num_channels)
    moved = convert(probe).astype(int) - (probe[..., None] if num_channels == 1 else probe)
    return None if int(np.abs(moved).max()) <= _SAME_LEVELS else convert


def _test_colours(num_channels: int) -> Levels:
    """Colours evenly spaced over all colours: (1, 256) grey, or (81, 9, 3) RGB."""
    if num_channels == 1:
        return np.arange(256, dtype=np.uint8)[None]
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(81, 9, 3)


def _curve_and_primaries_converter(gamma: float | None, primaries: tuple[float, ...]) -> ToSRGB | None:
    """Conversion by a power curve (None: sRGB's own curve) and by primaries."""
    own_curve = gamma is None or abs(gamma / _SRGB_GAMMA - 1) <= _GAMMA_NEAR
    own_primaries = max(abs(a - b) for a, b in zip(primaries, _PRIMARIES[1], strict=True)) <= _PRIMARIES_NEAR
    if own_curve and own_primaries:
        return None
    levels = np.arange(256) / 255
    light = _to_light(levels) if gamma is None else levels**gamma
    to_srgb = np.linalg.inv(_to_xyz(_PRIMARIES[1])) @ _adapted(primaries) @ _to_xyz(primaries)

    def convert(pixels: Levels) -> Levels:
        if pixels.ndim == 2:  # grey stays grey whatever the primaries are
            grey = _from_light(light)[pixels]
            return np.stack([grey] * 3, -1)
        rows = [
            _from_light(light[row] @ to_srgb.T) for row in pixels
        ]  # row by row: float64 needs eight times the memory
        return np.stack(rows)

    return convert


def _to_light(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def _from_light(light: npt.NDArray[np.float64]) -> Levels:
    light = np.clip(light, 0, 1)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * levels).astype(np.uint8)


def _are_primaries(primaries: tuple[float, ...]) -> bool:
    white, *corners = zip(primaries[::2], primaries[1::2], strict=True)
    area = np.linalg.det(np.array([[x, y, 1] for x, y in corners]))
    return bool(white[1] > 0 and all(y > 0 for _, y in corners) and abs(area) > 1e-3)


def _xyz(x: float, y: float) -> npt.NDArray[np.float64]:
    return np.array([x / y, 1, (1 - x - y) / y])


def _to_xyz(primaries: tuple[float, ...]) -> Matrix:
    """From a space's light to XYZ, so that its white has Y = 1."""
    white, *corners = (_xyz(x, y) for x, y in zip(primaries[::2], primaries[1::2], strict=True))
    columns = np.stack(corners, 1)
    return columns * np.linalg.solve(columns, white)


def _adapted(primaries: tuple[float, ...]) -> Matrix:
    """Bradford's adaptation from the space's white to sRGB's."""
    here, there = _BRADFORD @ _xyz(*primaries[:2]), _BRADFORD @ _xyz(*_D65)
    return np.linalg.inv(_BRADFORD) @ np.diag(there / here) @ _BRADFORD
