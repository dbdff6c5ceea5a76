"""The models that a page offers, each under a name of its own, and a visitor's photo drawn by them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cartoon_dist.config.fields import DeviceName
from cartoon_dist.errors import PictureError
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.inference.batched import Cartoonizer
from cartoon_dist.inference.load import load_model
from cartoon_dist.inference.tiled import PassProgress
from cartoon_dist.runs import checkpoint

LONG_SIDES = (512, 768, 1024, 1536)
"""Sizes a visitor may choose, in pixels of the long side, beside the photo's own."""

_SUFFIXES = (".safetensors", ".onnx")
_MAX_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Style:
    """A model with the name that the page shows, which no other style of the page has."""

    name: str
    cartoonizer: Cartoonizer


@dataclass(frozen=True, kw_only=True)
class PhotoLimits:
    """What a visitor may send: the size of the file, of the picture in it, and of the picture that is drawn."""

    max_bytes: int
    max_megapixels: float
    max_drawn_megapixels: float


def load_styles(
    models: Mapping[str, Path], *, weights: Literal["ema", "raw"] | None, device: DeviceName, megapixels: float
) -> list[Style]:
    """Load every model by its name, as `inference.load.load_model` does; its errors name the file."""
    return [
        Style(
            name=name,
            cartoonizer=load_model(model, weights=weights, device=device, megapixels=megapixels).cartoonizer,
        )
        for name, model in models.items()
    ]


def style_names(typed: Sequence[str]) -> list[str]:
    """A name for each model as the user typed it: of a file its stem, of a run its folder, of a checkpoint both, of a
    repository on a hub its own; a number where two are the same. Letters, digits, `.`, `_` and `-` only, so that a name
    may also be a file's."""
    names: list[str] = []
    for word in typed:
        stem = _file_name(Path(word))
        name, number = stem, 2
        while name.casefold() in (other.casefold() for other in names):
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return names


def _file_name(model: Path) -> str:
    name = model.resolve().name if model.is_dir() else model.name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    if checkpoint.is_checkpoint(model):
        name = f"{model.resolve().parent.name}-{name}"
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:_MAX_NAME] or "model"


def read_photo(path: Path, limits: PhotoLimits) -> Picture:
    """A photo as it was uploaded, decoded as every picture here is; PictureError, which says why, for any other file.

    Its size is judged by its header, before it is decoded.
    """
    try:
        data = read_regular(path, max_bytes=limits.max_bytes)
    except OSError as error:
        raise PictureError(f"the photo cannot be read ({error.strerror}); choose it again") from None
    try:
        return decode(data, max_megapixels=limits.max_megapixels)
    except MemoryError:
        raise PictureError("the photo does not fit the memory; choose a smaller one") from None


def draw(style: Style, photo: Picture, limits: PhotoLimits, on_pass: PassProgress) -> Picture:
    """The style's cartoon of a photo, (h, w, 3) uint8 RGB, the one that `cartoonize` draws of the same pixels;
    PictureError where the photo is too large."""
    megapixels = photo.shape[0] * photo.shape[1] / 1e6
    if megapixels > limits.max_drawn_megapixels:
        raise PictureError(
            f"{megapixels:.1f} megapixels are more than the {limits.max_drawn_megapixels:g} that are drawn here; "
            "choose a smaller size"
        )
    with without_tf32():
        [cartoon] = style.cartoonizer.cartoonize([photo], on_pass=on_pass)
    return cartoon
