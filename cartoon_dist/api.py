"""Three lines of Python: `from cartoon_dist import load`, `cartoonize = load(MODEL)`, `cartoonize(picture)`."""

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy as np
import numpy.typing as npt

from cartoon_dist.config.commands import DrawingSettings, Precision
from cartoon_dist.config.fields import DeviceName
from cartoon_dist.config.reading import check
from cartoon_dist.errors import PictureError
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.hub.locate import locate_model
from cartoon_dist.image.decode import Picture
from cartoon_dist.inference.any_picture import is_one_picture, of_the_same_kind, to_pixels
from cartoon_dist.inference.batched import batch_by_size
from cartoon_dist.inference.load import LoadedModel, load_to_draw

if TYPE_CHECKING:
    from PIL.Image import Image

Array = npt.NDArray[np.uint8]
Kind = TypeVar("Kind", "Image", Array)

_WINDOW_BATCHES = 16
"""How many batches' worth of pixels are read from a list before they are drawn, as the command lets them wait."""
_MAX_NAMED = 3
_one_drawing = threading.Lock()
"""A drawing takes all cores, or the GPU, and much memory; and whether TF32 is on is a setting of the process."""


def load(
    model: str | os.PathLike[str] | None = None,
    *,
    weights: Literal["ema", "raw"] | None = None,
    device: DeviceName = "auto",
    precision: Precision = "fp32",
    megapixels: float = 1.0,
    max_megapixels: float = 200.0,
) -> "Cartoonize":
    """Load a model that draws pictures.

    model: a run, a checkpoint, a `.safetensors` or `.onnx` export, a folder in the layout of the hub, or a repository
    on the hub: `"owner/name"` or `"owner/name@revision"`. What is there on the disk wins over a repository of the same
    name. Left out: the small model that comes with the package.

    weights: of a run, the running average (`"ema"`, the default) or the `"raw"` ones. device: `"auto"` is CUDA where
    there is any. precision: the numbers it computes in. megapixels: the largest picture, or batch, drawn in one piece.
    max_megapixels: larger pictures are refused.

    Raises a subclass of `cartoon_dist.errors.CartoonError` whose one line says what to do.
    """
    values = {"weights": weights, "device": device, "precision": precision}
    settings = check(DrawingSettings, values | {"megapixels": megapixels, "max_megapixels": max_megapixels})
    located = locate_model(None if model is None else os.fspath(model))
    loaded = load_to_draw(located, settings)
    return Cartoonize(loaded, settings)


class Cartoonize:
    """A loaded model: call it with pictures.

    source: the file or the checkpoint that was read. settings: how it draws, all values that were given or are
    defaults. It may be called from several threads: they wait for one another, a batch at a time.
    """

    def __init__(self, loaded: LoadedModel, settings: DrawingSettings) -> None:
        self._cartoonizer = loaded.cartoonizer
        self.source: Path = loaded.source
        self.settings = settings

    def __repr__(self) -> str:
        """Name the model and where it draws."""
        return f"<Cartoonize {self.source}, device={self.settings.device}, precision={self.settings.precision}>"

    # An array, a text and a list are iterables too: the first of these that fits is meant.
    @overload
    def __call__(self, picture: Kind) -> Kind: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, picture: "str | os.PathLike[str]") -> "Image": ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, picture: list[Kind] | tuple[Kind, ...]) -> list[Kind]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, picture: "list[str] | list[Path] | tuple[str | Path, ...]"
    ) -> "list[Image]": ...
    @overload
    def __call__(self, picture: Iterable[Kind]) -> Iterator[Kind]: ...
    @overload
    def __call__(self, picture: "Iterable[str | os.PathLike[str]]") -> "Iterator[Image]": ...

    def __call__(self, picture: Any) -> Any:
        """Draw a picture, or several.

        picture: a PIL image, a numpy array (uint8; (h, w, 3) RGB, (h, w, 4) with alpha, (h, w) grey) or the path of a
        file. The drawing is of the same size and kind: an array (h, w, 3) for an array, a PIL image for the others. A
        list or a tuple gives a list. Any other iterable gives an iterator that draws while it is read, so that memory
        does not grow with their number. The order is kept; of several, those of the same size are drawn together.

        PictureError for the first picture that cannot be drawn; of an iterator, those before it have come by then.
        """
        if is_one_picture(picture):
            return self._drawn_alone(picture)
        drawings = self._in_order(picture)
        return list(drawings) if isinstance(picture, (list, tuple)) else drawings

    def _drawn_alone(self, picture: Any) -> Any:
        try:
            pixels = to_pixels(picture, max_megapixels=self.settings.max_megapixels)
            [drawing] = self._draw([pixels])
        except PictureError as error:
            if isinstance(picture, (str, os.PathLike)):
                raise PictureError(f"{os.fspath(picture)}: {error}") from None
            raise
        return of_the_same_kind(drawing, picture)

    def _draw(self, pictures: list[Picture]) -> list[Picture]:
        with _one_drawing, without_tf32():  # a drawing is the same on a GPU and on a CPU
            return self._cartoonizer.cartoonize(pictures)

    def _in_order(self, pictures: Iterable[Any]) -> Iterator[Any]:
        """The drawings in the order of their pictures, a window of these at a time."""
        numbered = enumerate(pictures, 1)
        while True:
            window, problem = self._read_window(numbered)
            yield from self._drawn_window(window)
            if problem is not None:
                raise problem
            if not window:
                return

    def _read_window(self, numbered: Iterator[tuple[int, Any]]) -> tuple[list["_Read"], PictureError | None]:
        """The next pictures, some batches' worth of pixels, and what is wrong with the one after them."""
        window: list[_Read] = []
        num_pixels = 0
        for number, picture in numbered:
            name = _name(number, picture)
            try:
                pixels = to_pixels(picture, max_megapixels=self.settings.max_megapixels)
            except PictureError as error:
                return window, PictureError(f"{name}: {error}")
            window.append(_Read(name, pixels, isinstance(picture, np.ndarray)))
            num_pixels += pixels.shape[0] * pixels.shape[1]
            if num_pixels > _WINDOW_BATCHES * self._cartoonizer.max_batch_pixels:
                break
        return window, None

    def _drawn_window(self, window: list["_Read"]) -> Iterator[Any]:
        drawings: dict[int, Picture] = {}
        sized = ((index, read.pixels) for index, read in enumerate(window))
        for batch in batch_by_size(sized, max_pixels=self._cartoonizer.max_batch_pixels):
            try:
                drawn = self._draw([pixels for _, pixels in batch])
            except PictureError as error:
                names = [window[index].name for index, _ in batch]
                more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
                raise PictureError(f"{', '.join(names[:_MAX_NAMED])}{more}: {error}") from None
            drawings |= dict(zip((index for index, _ in batch), drawn, strict=True))
        for index, read in enumerate(window):
            yield of_the_same_kind(drawings.pop(index), read.pixels if read.is_array else None)


@dataclass(frozen=True)
class _Read:
    """A picture of a list, read: its name in messages, its pixels, and whether it was an array."""

    name: str
    pixels: Picture
    is_array: bool


def _name(number: int, picture: object) -> str:
    return os.fspath(picture) if isinstance(picture, (str, os.PathLike)) else f"picture {number}"
