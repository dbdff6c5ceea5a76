"""Drawings that lie in packages as files: OpenClipart's and KHangman's SVG, and the scenes of Hedgewars in layers."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import cv2
import numpy as np

from bench.attribution import Credit
from bench.free_pictures import laid_on, sprite
from bench.training_pictures.drawings import parsed
from bench.training_pictures.scenes import Backdrop, Kind
from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Picture

OPENCLIPART, KHANGMAN, HEDGEWARS = "openclipart-svg", "khangman", "hedgewars-data"
_PUBLIC_DOMAIN = "http://web.resource.org/cc/PublicDomain"
_SCENE_WIDTH, _SCENE_HEIGHT = 1024, 512
_DC, _CC = "{http://purl.org/dc/elements/1.1/}", "{http://web.resource.org/cc/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


class DrawingFolder:
    """The drawings below a folder of an unpacked package; all are under the package's licence."""

    def __init__(self, folder: Path, credit: Credit) -> None:
        self._folder = folder
        self._credit = credit

    def content(self, name: str) -> bytes:
        """The bytes of `folder/picture.svg`; PictureError where the package holds no such picture."""
        path = self._folder / name
        if not path.is_file():
            raise PictureError(f"{self._credit.package} holds no {name}: its version is another")
        return path.read_bytes()

    def credit(self, name: str) -> Credit:  # noqa: ARG002
        """The package's."""
        return self._credit


class OpenClipart(DrawingFolder):
    """The Open Clip Art Library: each drawing says who made it, and that it is in the public domain."""

    def __init__(self, package: Path) -> None:
        whole = Credit(package=OPENCLIPART, author="Open Clip Art Library", licence="public domain")
        super().__init__(package / "usr/share/openclipart/svg", whole)

    def credit(self, name: str) -> Credit:
        """The author that the drawing names. PictureError for one that is not given to the public domain."""
        root = parsed(self.content(name))
        licences = [element.get(f"{_RDF}resource", "") for element in root.iter(f"{_CC}license")]
        if licences != [_PUBLIC_DOMAIN]:
            raise PictureError(f"{OPENCLIPART}: {name} is not given to the public domain")
        return Credit(package=OPENCLIPART, author=_creator(root) or self._credit.author, licence=self._credit.licence)


def khangman(package: Path) -> DrawingFolder:
    """The scenes behind the game's words."""
    credit = Credit(package=KHANGMAN, author="KHangman's authors", licence="GPL-2+")
    return DrawingFolder(package / "usr/share/khangman", credit)


def hedgewars_scenes(package: Path, themes: Sequence[str], *, kind: Kind) -> Iterator[Backdrop]:
    """The themes' skies with their horizons before them, repeated to the side as the game does."""
    credit = Credit(package=HEDGEWARS, author="Hedgewars Project", licence="GPL-2")
    for theme in themes:
        folder = package / "usr/share/games/hedgewars/Data/Themes" / theme
        try:
            sky, horizon = (sprite(folder / f"{layer}.png") for layer in ("Sky", "horizont"))
        except cv2.error:
            raise PictureError(f"{HEDGEWARS} holds no {theme}: its version is another") from None
        yield Backdrop(name=f"hedgewars-{theme}", rgb=layered(sky, horizon), credit=credit, kind=kind)


def layered(sky: Picture, horizon: Picture) -> Picture:
    """A horizon before a sky, both uint8 RGBA: the sky is stretched downward, what is too narrow is repeated."""
    height = max(_SCENE_HEIGHT, sky.shape[0], horizon.shape[0])
    scene = cv2.resize(_as_wide(sky)[..., :3], (_SCENE_WIDTH, height), interpolation=cv2.INTER_LINEAR)
    before = _as_wide(horizon)
    under = scene[height - before.shape[0] :]
    under[:] = laid_on(under, before)
    return np.asarray(scene, np.uint8)


def _as_wide(layer: Picture) -> Picture:
    repeats = -(-_SCENE_WIDTH // layer.shape[1])
    return np.asarray(np.tile(layer, (1, repeats, 1))[:, :_SCENE_WIDTH])


def _creator(root: Element) -> str:
    names = [title.text or "" for creator in root.iter(f"{_DC}creator") for title in creator.iter(f"{_DC}title")]
    return re.sub(r"\s+", " ", " ".join(names)).strip()
