"""The style `flat`: GCompris's scenes with its figures before them, rendered from SVG."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.attribution import Credit, joined
from bench.training_pictures import flat_lists as lists
from bench.training_pictures.drawings import on_white, render, trimmed
from bench.training_pictures.gcompris import PACKAGE, GCompris
from bench.training_pictures.picture_sets import TrainingPicture
from bench.training_pictures.scenes import Backdrop, Deck, Figure, Kind, staged

SHORT_SIDE = 512
SCENES_EACH = 6
"""Each background is shown with so many groups of figures."""
_FIGURE_SIDE = 512


def flat_pictures(package: Path, *, permissive: bool) -> Iterator[TrainingPicture]:
    """The scenes one after another; with `permissive`, only of drawings under such licences."""
    source = GCompris(package)
    whole = backdrops(source, lists.WHOLE, kind="whole", permissive=permissive)
    for backdrop in whole:
        yield TrainingPicture(name=backdrop.name, rgb=backdrop.rgb, credit=backdrop.credit, scene=backdrop.name)
    by_kind: dict[Kind, dict[str, str]] = {"land": lists.ON_LAND, "water": lists.IN_WATER, "air": lists.IN_AIR}
    decks = {
        kind: Deck(list(figures(source, names, kind=kind, permissive=permissive)), seed=index)
        for index, (kind, names) in enumerate(by_kind.items())
    }
    places: dict[Kind, dict[str, str]] = {"land": lists.LAND, "water": lists.WATER, "air": lists.AIR}
    for kind, names in places.items():
        for index, backdrop in enumerate(backdrops(source, names, kind=kind, permissive=permissive)):
            scenes = staged(backdrop, decks, num=SCENES_EACH, seed=index)
            for turn, (rgb, shown) in enumerate(scenes, start=1):
                credit = joined(PACKAGE, [backdrop.credit, *(figure.credit for figure in shown)])
                yield TrainingPicture(name=f"{backdrop.name}-{turn}", rgb=rgb, credit=credit, scene=backdrop.name)


def backdrops(source: GCompris, names: Mapping[str, str], *, kind: Kind, permissive: bool) -> Iterator[Backdrop]:
    """The backgrounds of a list, SHORT_SIDE pixels high."""
    for name, path, credit in listed(source, names, permissive=permissive):
        rgba = render(source.content(path), short_side=SHORT_SIDE, name=path)
        yield Backdrop(name=name, rgb=on_white(rgba), credit=credit, kind=kind)


def figures(source: GCompris, names: Mapping[str, str], *, kind: Kind, permissive: bool) -> Iterator[Figure]:
    """The figures of a list, without the empty space around them."""
    for name, path, credit in listed(source, names, permissive=permissive):
        rgba = trimmed(render(source.content(path), short_side=_FIGURE_SIDE, name=path), name=path)
        key = path.removesuffix(".svg")
        size = lists.SIZES.get(key, lists.SIZES.get(key.partition("/")[0], 1.0))
        yield Figure(name=name, rgba=rgba, credit=credit, kind=kind, size=size)


def listed(source: GCompris, names: Mapping[str, str], *, permissive: bool) -> Iterator[tuple[str, str, Credit]]:
    """Of each drawing of a list the name for files, the path in the package, and the credit."""
    for activity, files in names.items():
        for file in files.split():
            path = f"{activity}/{file}.svg"
            credit = source.credit(path)
            if credit.is_permissive or not permissive:
                yield f"{activity}-{file.rpartition('/')[2]}", path, credit
