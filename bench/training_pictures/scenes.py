"""Scenes put together: figures before backgrounds, as a game shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from bench.attribution import Credit
from cartoon_dist.image.decode import Picture

Kind = Literal["land", "water", "air", "whole"]
"""Of a background: where figures belong in it; `whole` is a scene already, and gets none. Of a figure: where it is."""
GROUND, FLOOR = 0.7, 0.97
"""Figures on land have their feet between these shares of the height; the lower, the nearer and larger."""
FAR_HEIGHT, NEAR_HEIGHT = 0.28, 0.8
_MAX_WIDTH = 0.7
_COLUMNS = 5


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A character or a thing, uint8 RGBA (h, w, 4), trimmed. `size`: its height beside the others'."""

    name: str
    rgba: Picture
    credit: Credit
    kind: Kind = "land"
    size: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """A background, uint8 RGB (h, w, 3)."""

    name: str
    rgb: Picture
    credit: Credit
    kind: Kind = "land"


class Deck:
    """Deals figures in a shuffled order, each once before any comes again."""

    def __init__(self, figures: Sequence[Figure], *, seed: int) -> None:
        self._figures = figures
        self._random = np.random.default_rng(seed)
        self._left: list[int] = []

    def deal(self, num: int) -> list[Figure]:
        """The next figures; none of an empty deck."""
        dealt: list[Figure] = []
        while self._figures and len(dealt) < num:
            if not self._left:
                self._left = [int(index) for index in self._random.permutation(len(self._figures))]
            dealt.append(self._figures[self._left.pop()])
        return dealt


def place(scene: Picture, rgba: Picture, *, height: float, centre: float, bottom: float) -> None:
    """Draw a figure into the scene, which is changed; what lies outside of it is cut.

    height: of the figure, centre: of its width, bottom: its lower edge, all as shares of the scene's sides.
    """
    rows, columns = scene.shape[:2]
    tall = max(1, round(height * rows))
    wide = max(1, round(rgba.shape[1] * tall / rgba.shape[0]))
    if wide > _MAX_WIDTH * columns:
        tall, wide = max(1, round(tall * _MAX_WIDTH * columns / wide)), round(_MAX_WIDTH * columns)
    # Colours are multiplied by their opacity before they are averaged: a transparent pixel's colour means nothing.
    opacity = rgba[..., 3:].astype(np.float32) / 255
    layer = np.concatenate([rgba[..., :3] * opacity, opacity], axis=2)
    how = cv2.INTER_AREA if tall < rgba.shape[0] else cv2.INTER_CUBIC
    layer = cv2.resize(layer, (wide, tall), interpolation=how)
    top, left = round(bottom * rows) - tall, round(centre * columns - wide / 2)
    first_row, first_column = max(0, -top), max(0, -left)
    part = layer[first_row : rows - top, first_column : columns - left]
    under = scene[top + first_row : top + tall, left + first_column : left + wide]
    if part.size and under.size:
        mixed = part[..., :3] + (1 - np.clip(part[..., 3:], 0, 1)) * under
        under[:] = np.clip(np.rint(mixed), 0, 255)


def staged(
    backdrop: Backdrop, decks: dict[Kind, Deck], *, num: int, seed: int
) -> Iterator[tuple[Picture, list[Figure]]]:
    """So many scenes of one background, each with other figures in other places, and who is in them."""
    random = np.random.default_rng(seed)
    for turn in range(num):
        scene = backdrop.rgb.copy()
        if backdrop.kind == "land":
            figures = [*decks["air"].deal(turn % 2), *decks["land"].deal(3 + turn % 3)]
        else:
            figures = decks[backdrop.kind].deal(2 + turn % 3)
        on_ground = [figure for figure in figures if figure.kind == "land"]
        # The first stands farthest away, the last near; columns are shared out so that few hide others.
        columns = random.permutation(_COLUMNS)
        for index, figure in enumerate(figures):
            centre = (columns[index % _COLUMNS] + random.uniform(0.2, 0.8)) / _COLUMNS
            if figure.kind == "land":
                near = on_ground.index(figure) / max(1, len(on_ground) - 1)
                bottom = GROUND + near * (FLOOR - GROUND)
                height = (FAR_HEIGHT + near * (NEAR_HEIGHT - FAR_HEIGHT)) * figure.size
            else:
                height = random.uniform(0.22, 0.5) * figure.size
                bottom = random.uniform(height + 0.02, 0.6 if figure.kind == "air" else 0.97)
            rgba = figure.rgba[:, ::-1] if random.random() < 0.5 else figure.rgba
            place(scene, rgba, height=height, centre=float(centre), bottom=float(bottom))
        yield scene, figures
