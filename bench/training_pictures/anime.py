"""The style `anime`: the places of two visual novels with their characters before them, whole and from near."""

from collections.abc import Iterator
from pathlib import Path

from bench.attribution import Credit
from bench.free_pictures import CHARACTERS, SCENES, matching_files, scene_parts, sprite
from bench.training_pictures.drawings import trimmed
from bench.training_pictures.picture_sets import TrainingPicture
from bench.training_pictures.scenes import place

CREDIT = Credit(package=" ".join(SCENES), author="Ren'Py contributors", licence="MIT")
FRAMINGS = ((0.95, 1.0), (1.7, 1.75))
"""A character's height and lower edge as shares of the scene's height: the whole figure, and head and shoulders."""
_PLACES = 5


def anime_pictures(unpacked: Path) -> Iterator[TrainingPicture]:
    """The places as they are, then each character before each of them in each framing, left, right and between."""
    scenes = [part for path in matching_files(unpacked, SCENES) for part in scene_parts(path)]
    characters = [(path.stem, trimmed(sprite(path), name=path.name)) for path in matching_files(unpacked, CHARACTERS)]
    for title, rgb in scenes:
        yield TrainingPicture(name=title, rgb=rgb, credit=CREDIT, scene=place_of(title))
    stages = [(title, rgb) for title, rgb in scenes if "concert" not in title]  # a concert is full already
    for index, (name, rgba) in enumerate(characters):
        for turn, (title, scene) in enumerate(stages):
            for framing, (height, bottom) in enumerate(FRAMINGS):
                rgb = scene.copy()
                column = (index + 2 * turn + framing) % _PLACES
                place(rgb, rgba, height=height, centre=(column + 0.5) / _PLACES, bottom=bottom)
                distance = "near" if framing else "whole"
                yield TrainingPicture(name=f"{name} {title} {distance}", rgb=rgb, credit=CREDIT, scene=place_of(title))


def place_of(title: str) -> str:
    """The place that a scene shows: all parts of a panorama are one, and all concerts."""
    return "panorama" if "panorama" in title else "concert" if "concert" in title else title
