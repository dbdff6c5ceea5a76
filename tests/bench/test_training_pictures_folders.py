"""Drawings that lie in packages as files: who made them, and a sky with a horizon before it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.training_pictures import flat_lists
from bench.training_pictures.drawing_folders import OpenClipart, hedgewars_scenes, khangman, layered
from cartoon_dist.errors import PictureError

METADATA = """<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><metadata>
<rdf:RDF xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><cc:Work rdf:about="">
<dc:title>A swan</dc:title><dc:rights><cc:Agent><dc:title>Somebody else</dc:title></cc:Agent></dc:rights>
{creator}<cc:license rdf:resource="{licence}"/></cc:Work></rdf:RDF></metadata></svg>"""
CREATOR = "<dc:creator><cc:Agent><dc:title>Ann\n Drawer</dc:title></cc:Agent></dc:creator>"
FREE = "http://web.resource.org/cc/PublicDomain"


def clipart(package: Path, *, creator: str = CREATOR, licence: str = FREE) -> OpenClipart:
    """A library with one drawing, birds/swan.svg."""
    folder = package / "usr/share/openclipart/svg/birds"
    folder.mkdir(parents=True)
    (folder / "swan.svg").write_text(METADATA.format(creator=creator, licence=licence))
    return OpenClipart(package)


def test_a_drawing_names_its_author(tmp_path: Path) -> None:
    source = clipart(tmp_path)
    credit = source.credit("birds/swan.svg")
    assert (credit.package, credit.author, credit.licence) == ("openclipart-svg", "Ann Drawer", "public domain")
    assert credit.is_permissive
    assert b"A swan" in source.content("birds/swan.svg")


@pytest.mark.parametrize("creator", ["", "<dc:creator><cc:Agent><dc:title/></cc:Agent></dc:creator>"])
def test_a_drawing_without_an_author_is_the_librarys(tmp_path: Path, creator: str) -> None:
    assert clipart(tmp_path, creator=creator).credit("birds/swan.svg").author == "Open Clip Art Library"


def test_a_drawing_that_is_not_free_is_refused(tmp_path: Path) -> None:
    source = clipart(tmp_path, licence="http://creativecommons.org/licenses/by-nc/2.0/")
    with pytest.raises(PictureError, match=r"birds/swan.svg is not given to the public domain"):
        source.credit("birds/swan.svg")


def test_entities_are_not_read(tmp_path: Path) -> None:
    source = clipart(tmp_path)
    path = tmp_path / "usr/share/openclipart/svg/birds/swan.svg"
    path.write_text('<!DOCTYPE svg [<!ENTITY a "b">]>' + path.read_text())
    with pytest.raises(PictureError, match="no safe XML"):
        source.credit("birds/swan.svg")


def test_a_package_of_another_version_is_named(tmp_path: Path) -> None:
    for ask in (
        lambda: clipart(tmp_path).content("birds/none.svg"),
        lambda: khangman(tmp_path).content("themes/none.svg"),
        lambda: list(hedgewars_scenes(tmp_path, ["None"], kind="land")),
    ):
        with pytest.raises(PictureError, match="its version is another"):
            ask()


def test_a_horizon_lies_before_a_sky() -> None:
    sky = np.zeros((100, 512, 4), np.uint8)
    sky[..., 2], sky[..., 3] = 200, 255
    horizon = np.zeros((64, 256, 4), np.uint8)
    horizon[32:, :128] = (0, 100, 0, 255)
    horizon[32:, 128:] = (0, 100, 0, 51)  # a fifth of it
    scene = layered(sky, horizon)
    assert scene.shape == (512, 1024, 3)
    assert (scene[: 512 - 32] == (0, 0, 200)).all()
    for first in range(0, 1024, 256):  # repeated to the side
        assert (scene[512 - 32 :, first : first + 128] == (0, 100, 0)).all()
        assert (scene[512 - 32 :, first + 128 : first + 256] == (0, 20, 160)).all()


def test_a_theme_of_two_layers(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/games/hedgewars/Data/Themes/Lake"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "Sky.png"), np.full((600, 1100, 4), (200, 0, 0, 255), np.uint8))  # blue, as OpenCV orders
    cv2.imwrite(str(folder / "horizont.png"), np.full((50, 900, 4), (0, 100, 0, 255), np.uint8))
    [backdrop] = hedgewars_scenes(tmp_path, ["Lake"], kind="water")
    assert (backdrop.name, backdrop.kind, backdrop.credit.licence) == ("hedgewars-Lake", "water", "GPL-2")
    assert backdrop.rgb.shape == (600, 1024, 3)
    assert (backdrop.rgb[:550] == (0, 0, 200)).all()
    assert (backdrop.rgb[550:] == (0, 100, 0)).all()


def test_a_hundred_backgrounds_or_more() -> None:
    """As docs/training_pictures.md says."""
    lists = (
        *(flat_lists.LAND, flat_lists.WATER, flat_lists.AIR, flat_lists.WHOLE),
        *(flat_lists.OPENCLIPART_WHOLE, flat_lists.OPENCLIPART_LAND, flat_lists.KHANGMAN_WHOLE),
    )
    names = [f"{folder}/{file}" for kind in lists for folder, files in kind.items() for file in files.split()]
    themes = [*flat_lists.HEDGEWARS_LAND.split(), *flat_lists.HEDGEWARS_WATER.split()]
    assert len({*names, *themes}) == len(names) + len(themes) == 109
