"""The sets as the command writes them, of made-up packages: which pictures, which scenes, who made each."""

import csv
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.attribution import Credit
from bench.training_pictures import __main__ as command
from bench.training_pictures import flat_lists, photo_lists, photos
from bench.training_pictures.anime import anime_pictures, place_of
from bench.training_pictures.gcompris import PACKAGE, GCompris
from bench.training_pictures.photos import is_photo, photo_pictures
from bench.training_pictures.picture_sets import TrainingPicture, write_attribution, write_set
from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Picture

README = (
    b"Copyright: A\nLicense: CC0-1.0\nFiles:\nfree.webp\ntwin.webp\n\nCopyright: B\nLicense: GPLv3\nFiles: bound.webp\n"
)
COPYRIGHT = "Files: src/activities/erase/resource/debian.*\nCopyright: D\nLicense: CC-BY-2.0\n"


def noise(seed: int, height: int = 60, width: int = 80) -> Picture:
    """A picture that looks like no other of another seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def encoded(rgb: Picture, ending: str) -> bytes:
    return bytes(cv2.imencode(ending, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes())


def resource(path: Path, folders: list[str], files: dict[str, bytes]) -> None:
    """A resource file with one folder in another, and the files in the last."""
    names, offsets, data, nodes = b"", [], b"", [struct.pack(">IHII", 0, 2, 1, 1)]
    for name in (*folders, *files):
        offsets.append(len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    for index in range(len(folders)):
        num = len(files) if index == len(folders) - 1 else 1
        nodes.append(struct.pack(">IHII", offsets[index], 2, num, index + 2))
    for offset, content in zip(offsets[len(folders) :], files.values(), strict=True):
        nodes.append(struct.pack(">IHII", offset, 0, 0, len(data)))
        data += struct.pack(">I", len(content)) + content
    tree = b"".join(nodes)
    header = b"qres" + struct.pack(">IIII", 1, 20, 20 + len(tree), 20 + len(tree) + len(data))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + tree + data + names)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with two photos as files, and GCompris with four in one activity, one of them there twice."""
    root = tmp_path / "packages"
    (root / "wall").mkdir(parents=True)
    (root / "wall" / "one.png").write_bytes(encoded(noise(1), ".png"))
    (root / "wall" / "two.png").write_bytes(encoded(noise(2), ".png"))
    again = cv2.resize(noise(3), (120, 90), interpolation=cv2.INTER_AREA)
    pictures = {"free": noise(3), "twin": np.asarray(again, np.uint8), "bound": noise(5), "debian": noise(6)}
    files = {f"{name}.webp": encoded(rgb, ".webp") for name, rgb in pictures.items()}
    files |= {"README": README, "texture1.webp": encoded(noise(9), ".webp")}
    resource(root / PACKAGE / "rcc/erase.rcc", ["gcompris", "src", "activities", "erase", "resource"], files)
    (root / PACKAGE / f"usr/share/doc/{PACKAGE}").mkdir(parents=True)
    (root / PACKAGE / f"usr/share/doc/{PACKAGE}/copyright").write_text(COPYRIGHT)
    monkeypatch.setattr(photos, "PACKAGED", {"wall": {"one.png": ("W", "MIT"), "two.png": ("W", "CC-BY-SA-4.0")}})
    monkeypatch.setattr(photos, "GCOMPRIS", ("erase",))
    return root


@pytest.mark.parametrize("permissive", [False, True])
def test_photos_each_once_with_who_made_it(packages: Path, permissive: bool) -> None:  # noqa: FBT001
    found = {
        photo.name: (photo.credit.author, photo.credit.licence)
        for photo in photo_pictures(packages, permissive=permissive)
    }
    free = {"wall one": ("W", "MIT"), "gcompris erase debian": ("D", "CC-BY-2.0")}
    free["gcompris erase free"] = ("A", "CC0-1.0")
    bound = {"wall two": ("W", "CC-BY-SA-4.0"), "gcompris erase bound": ("B", "GPLv3")}
    assert found == (free if permissive else free | bound)


def test_a_package_of_another_version_is_named(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = GCompris(packages / PACKAGE)
    for ask in (lambda: source.content("erase/none.svg"), lambda: source.content("chess/none.svg")):
        with pytest.raises(PictureError, match="its version is another"):
            ask()
    monkeypatch.setattr(photos, "GCOMPRIS", ("erase/images",))
    with pytest.raises(PictureError, match="no photos in erase/images"):
        list(photo_pictures(packages, permissive=False))


def test_a_damaged_photo_is_named(packages: Path) -> None:
    path = packages / PACKAGE / "rcc/erase.rcc"
    resource(path, ["gcompris", "src", "activities", "erase", "resource"], {"torn.webp": b"RIFF____WEBPVP8 torn"})
    with pytest.raises(PictureError, match=r"gcompris-qt-data: erase/torn.webp: "):
        list(photo_pictures(packages, permissive=False))


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("erase/kitten.webp", True),
        ("erase/texture01.webp", False),
        ("clickgame/sea3.webp", True),
        ("clickgame/shark1.webp", False),
        ("clickgame/manta.webp", False),
        ("details/image/Nagoya_background.webp", True),
        ("details/image/Nagoya_3.webp", False),
        ("details/image/VincentVanGogh0013_background.webp", False),
        ("louis-braille/workshop.webp", True),
        ("louis-braille/chart.webp", False),
        ("categorization/images/tools/hammer1.webp", True),
        ("categorization/images/tools/hammer5.webp", False),
    ],
)
def test_what_is_a_photo(name: str, photo: bool) -> None:  # noqa: FBT001
    assert is_photo(name) == photo


def test_a_set_on_disk(tmp_path: Path) -> None:
    credit = Credit(package="p", author="A\tB", licence="CC-BY-SA-4.0")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "old.png").write_bytes(b"of an earlier call")
    pictures = [TrainingPicture(name=f"a b/{n}", rgb=noise(n), credit=credit, scene="hill, green") for n in range(2)]
    written = write_set(tmp_path / "set", pictures)
    assert (written.num_pictures, written.num_scenes, written.num_permissive) == (2, 1, 0)
    assert written.rows[0] == "set/a-b-0.png\tp\tA B\tCC-BY-SA-4.0\tshare-alike"
    assert sorted(path.name for path in tmp_path.rglob("*.*g")) == ["a-b-0.png", "a-b-1.png", "set.sheet.jpg"]
    shown = cv2.cvtColor(cv2.imread(str(tmp_path / "set/a-b-1.png")), cv2.COLOR_BGR2RGB)
    assert np.array_equal(shown, noise(1))
    with (tmp_path / "set/scenes.csv").open(encoding="utf-8", newline="") as file:
        assert [*csv.DictReader(file)][1] == {"file": "a-b-1.png", "scene": "hill, green"}


def test_two_pictures_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    picture = TrainingPicture(name="a", rgb=noise(0), credit=Credit(package="p", author="a", licence="MIT"))
    with pytest.raises(ValueError, match=r"two pictures are called a.png"):
        write_set(tmp_path / "set", [picture, picture])


def test_lines_of_other_sets_stay(tmp_path: Path) -> None:
    write_attribution(tmp_path, ["photos/a.png\tp", "flat/old.png\tp"])
    write_attribution(tmp_path, ["flat/new.png\tp"])
    lines = (tmp_path / "ATTRIBUTION.tsv").read_text(encoding="utf-8").splitlines()
    assert lines == ["file\tpackage\tauthor\tlicence\tterms", "flat/new.png\tp", "photos/a.png\tp"]


def test_characters_before_every_place(tmp_path: Path) -> None:
    (tmp_path / "renpy-thequestion").mkdir()
    (tmp_path / "renpy-demo").mkdir()
    figure = np.zeros((70, 30, 4), np.uint8)
    figure[5:, 5:25] = (0, 0, 255, 255)
    for path in (
        "renpy-thequestion/bg uni.jpg",
        "renpy-demo/bg panorama.webp",
        "renpy-demo/concert1.png",
        "renpy-demo/concert3.png",
    ):
        width = 400 if "panorama" in path else 100
        (tmp_path / path).write_bytes(encoded(noise(len(path), 60, width), Path(path).suffix))
    for path in ("renpy-thequestion/sylvie a.png", "renpy-demo/eileen b.png", "renpy-demo/lucy c.png"):
        cv2.imwrite(str(tmp_path / path), figure)
    pictures = list(anime_pictures(tmp_path))
    # The place, the panorama's four parts and two concerts; each of 3 characters near and whole before the first 5.
    assert len({picture.file for picture in pictures}) == len(pictures) == 7 + 3 * 5 * 2
    assert {picture.scene for picture in pictures} == {"bg uni", "panorama", "concert"}
    before = {picture.name: picture.rgb for picture in pictures}
    changed = (before["eileen b bg uni whole"] != before["bg uni"]).any(axis=2)
    assert 0.05 < changed.mean() < 0.5
    assert (before["eileen b bg uni near"] != before["bg uni"]).any(axis=2).sum() != changed.sum()
    assert place_of("bg panorama-3") == "panorama"


def test_the_lists_name_no_drawing_twice() -> None:
    for kind in (flat_lists.LAND, flat_lists.WATER, flat_lists.AIR, flat_lists.WHOLE, flat_lists.ON_LAND):
        names = [f"{activity}/{file}" for activity, files in kind.items() for file in files.split()]
        assert len(names) == len(set(names)) > 0
    assert all(licence for kinds in photo_lists.PACKAGED.values() for _, licence in kinds.values())


def test_the_command(packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = [str(out), "--styles", "photos", "--packages", str(packages)]
    assert command.main([*words, "--permissive"]) == 0
    assert len(list((out / "photos").glob("*.png"))) == 3
    assert command.main(words) == 0
    assert len(list((out / "photos").glob("*.png"))) == 5
    assert len((out / "ATTRIBUTION.tsv").read_text(encoding="utf-8").splitlines()) == 6
    printed = capsys.readouterr()
    assert "photos: 5 pictures of 5 scenes, 3 permissive" in printed.err
    assert printed.out.endswith("ATTRIBUTION.tsv\n")
    assert command.main([str(out), "--styles", "photos,oil"]) == 2
    assert command.main([str(out), "--styles", "photos", "--packages", str(tmp_path / "none")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True, True]
