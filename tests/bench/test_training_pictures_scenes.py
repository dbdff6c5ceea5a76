"""Scenes put together: where figures stand, that all of them come, that the same call gives the same scenes."""

import numpy as np
import pytest

from bench.attribution import Credit
from bench.training_pictures.scenes import Backdrop, Deck, Figure, Kind, place, staged
from cartoon_dist.image.decode import Picture

CREDIT = Credit(package="p", author="a", licence="MIT")
SKY = (200, 220, 255)


def figure(name: str, kind: Kind = "land") -> Figure:
    rgba = np.zeros((40, 20, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 250, 255
    return Figure(name=name, rgba=rgba, credit=CREDIT, kind=kind)


def background(kind: Kind = "land") -> Backdrop:
    return Backdrop(name="b", rgb=np.full((100, 160, 3), SKY, np.uint8), credit=CREDIT, kind=kind)


def decks(*, num: int = 8) -> dict[Kind, Deck]:
    kinds: tuple[Kind, ...] = ("land", "water", "air")
    return {kind: Deck([figure(f"{kind}{index}", kind) for index in range(num)], seed=0) for kind in kinds}


def drawn(scene: Picture) -> np.ndarray:
    return (scene != SKY).any(axis=2)


def test_a_figure_stands_where_it_is_put() -> None:
    scene = background().rgb.copy()
    place(scene, figure("a").rgba, height=0.4, centre=0.5, bottom=0.9)
    rows, columns = np.nonzero(drawn(scene))
    assert (rows.min(), rows.max() + 1) == (50, 90)
    assert (columns.min(), columns.max() + 1) == (70, 90)
    assert scene[60, 80].tolist() == [250, 0, 0]


@pytest.mark.parametrize(
    ("centre", "bottom"), [(0.0, 0.5), (1.0, 0.5), (0.5, 1.4), (0.5, 0.1), (3.0, 3.0), (-2.0, -1.0)]
)
def test_what_lies_outside_of_the_scene_is_cut(centre: float, bottom: float) -> None:
    scene = background().rgb.copy()
    place(scene, figure("a").rgba, height=0.4, centre=centre, bottom=bottom)
    assert drawn(scene).sum() < 40 * 20


def test_a_wide_figure_leaves_room() -> None:
    wide = np.full((10, 200, 4), 255, np.uint8)
    scene = background().rgb.copy()
    place(scene, wide, height=0.8, centre=0.5, bottom=0.9)
    assert np.nonzero(drawn(scene))[1].size
    assert np.ptp(np.nonzero(drawn(scene))[1]) < 0.75 * 160


def test_the_colour_of_transparent_pixels_is_not_seen() -> None:
    """Made smaller, an edge of opaque red beside transparent green must not turn green."""
    rgba = np.zeros((80, 80, 4), np.uint8)
    rgba[..., 1] = 255
    rgba[:, 37:, :] = (255, 0, 0, 255)
    scene = np.zeros((100, 160, 3), np.uint8)
    place(scene, rgba, height=0.2, centre=0.5, bottom=0.9)
    assert scene[..., 0].max() == 255
    assert scene[..., 1].max() == 0


def test_every_figure_comes_before_any_comes_again() -> None:
    deck = Deck([figure(str(index)) for index in range(7)], seed=3)
    dealt = [figure.name for _ in range(7) for figure in deck.deal(2)]
    assert sorted(dealt[:7]) == sorted(dealt[7:]) == sorted(map(str, range(7)))
    assert dealt[:7] != dealt[7:]
    assert Deck([], seed=0).deal(3) == []


def test_scenes_differ_and_are_the_same_again() -> None:
    first = list(staged(background(), decks(), num=4, seed=1))
    again = list(staged(background(), decks(), num=4, seed=1))
    assert all(np.array_equal(one, other) for (one, _), (other, _) in zip(first, again, strict=True))
    assert len({scene.tobytes() for scene, _ in first}) == 4
    assert all(drawn(scene).any() for scene, _ in first)


@pytest.mark.parametrize(("kind", "allowed"), [("land", {"land", "air"}), ("water", {"water"}), ("air", {"air"})])
def test_figures_are_where_they_belong(kind: Kind, allowed: set[str]) -> None:
    for scene, shown in staged(background(kind), decks(), num=6, seed=0):
        assert {figure.kind for figure in shown} <= allowed
        if kind == "land":
            assert not drawn(scene)[98:].any()  # feet on the ground, not below the picture
            assert sum(figure.kind == "land" for figure in shown) >= 3


def test_the_background_itself_stays_as_it_is() -> None:
    backdrop = background()
    list(staged(backdrop, decks(), num=3, seed=0))
    assert not drawn(backdrop.rgb).any()
