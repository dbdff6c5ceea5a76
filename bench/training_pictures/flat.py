"""The style `flat`: GCompris's scenes and those of three more packages, with GCompris's figures before them."""

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Protocol

from bench.attribution import Credit, joined
from bench.training_pictures import flat_lists as lists
from bench.training_pictures.drawing_folders import (
    HEDGEWARS,
    KHANGMAN,
    OPENCLIPART,
    OpenClipart,
    hedgewars_scenes,
    khangman,
)
from bench.training_pictures.drawings import on_white, render, trimmed
from bench.training_pictures.gcompris import PACKAGE as GCOMPRIS
from bench.training_pictures.gcompris import GCompris
from bench.training_pictures.picture_sets import TrainingPicture
from bench.training_pictures.scenes import Backdrop, Deck, Figure, Kind, staged

PACKAGES = (GCOMPRIS, OPENCLIPART, KHANGMAN, HEDGEWARS)
SHORT_SIDE = 512
SCENES_EACH = 6
"""Each background is shown with so many groups of figures."""
_FIGURE_SIDE = 512


class DrawingSource(Protocol):
    """A package's drawings."""

    def content(self, name: str) -> bytes:
        """The SVG; PictureError where there is none of that name."""
        ...

    def credit(self, name: str) -> Credit:
        """Who made it."""
        ...


def flat_pictures(unpacked: Path, *, permissive: bool) -> Iterator[TrainingPicture]:
    """The scenes one after another; with `permissive`, only of drawings under such licences. unpacked: the folder with
    PACKAGES in it."""
    source = GCompris(unpacked / GCOMPRIS)
    by_kind: dict[Kind, dict[str, str]] = {"land": lists.ON_LAND, "water": lists.IN_WATER, "air": lists.IN_AIR}
    decks = {
        kind: Deck(list(figures(source, names, kind=kind, permissive=permissive)), seed=index)
        for index, (kind, names) in enumerate(by_kind.items())
    }
    seeds = {kind: count() for kind in by_kind}
    for backdrop in all_backdrops(source, unpacked, permissive=permissive):
        if backdrop.kind == "whole":
            yield TrainingPicture(name=backdrop.name, rgb=backdrop.rgb, credit=backdrop.credit, scene=backdrop.name)
            continue
        scenes = staged(backdrop, decks, num=SCENES_EACH, seed=next(seeds[backdrop.kind]))
        for turn, (rgb, shown) in enumerate(scenes, start=1):
            credits = [backdrop.credit, *(figure.credit for figure in shown)]
            packages = " ".join(dict.fromkeys(credit.package for credit in credits))
            credit = joined(packages, credits)
            yield TrainingPicture(name=f"{backdrop.name}-{turn}", rgb=rgb, credit=credit, scene=backdrop.name)


def all_backdrops(gcompris: GCompris, unpacked: Path, *, permissive: bool) -> Iterator[Backdrop]:
    """Those of all packages: GCompris's first, whose scenes stay the same whatever else is added."""
    places: dict[Kind, dict[str, str]] = {
        "whole": lists.WHOLE,
        "land": lists.LAND,
        "water": lists.WATER,
        "air": lists.AIR,
    }
    for kind, names in places.items():
        yield from backdrops(gcompris, names, kind=kind, permissive=permissive)
    clipart = OpenClipart(unpacked / OPENCLIPART)
    hangman = khangman(unpacked / KHANGMAN)
    yield from backdrops(clipart, lists.OPENCLIPART_WHOLE, kind="whole", permissive=permissive, is_trimmed=True)
    yield from backdrops(clipart, lists.OPENCLIPART_LAND, kind="land", permissive=permissive, is_trimmed=True)
    yield from backdrops(hangman, lists.KHANGMAN_WHOLE, kind="whole", permissive=permissive, is_trimmed=True)
    if not permissive:
        yield from hedgewars_scenes(unpacked / HEDGEWARS, lists.HEDGEWARS_LAND.split(), kind="land")
        yield from hedgewars_scenes(unpacked / HEDGEWARS, lists.HEDGEWARS_WATER.split(), kind="water")


def backdrops(
    source: DrawingSource, names: Mapping[str, str], *, kind: Kind, permissive: bool, is_trimmed: bool = False
) -> Iterator[Backdrop]:
    """The backgrounds of a list, whose page is SHORT_SIDE pixels high; trimmed, without its empty borders."""
    for name, path, credit in listed(source, names, permissive=permissive):
        rgba = render(source.content(path), short_side=SHORT_SIDE, name=path)
        if is_trimmed:
            rgba = trimmed(rgba, name=path)
        yield Backdrop(name=name, rgb=on_white(rgba), credit=credit, kind=kind)


def figures(source: DrawingSource, names: Mapping[str, str], *, kind: Kind, permissive: bool) -> Iterator[Figure]:
    """The figures of a list, without the empty space around them."""
    for name, path, credit in listed(source, names, permissive=permissive):
        rgba = trimmed(render(source.content(path), short_side=_FIGURE_SIDE, name=path), name=path)
        key = path.removesuffix(".svg")
        size = lists.SIZES.get(key, lists.SIZES.get(key.partition("/")[0], 1.0))
        yield Figure(name=name, rgba=rgba, credit=credit, kind=kind, size=size)


def listed(source: DrawingSource, names: Mapping[str, str], *, permissive: bool) -> Iterator[tuple[str, str, Credit]]:
    """Of each drawing of a list the name for files, the path in the package, and the credit."""
    for activity, files in names.items():
        for file in files.split():
            path = f"{activity}/{file}.svg"
            credit = source.credit(path)
            if credit.is_permissive or not permissive:
                yield f"{activity}-{file.rpartition('/')[2]}", path, credit
