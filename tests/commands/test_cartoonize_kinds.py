"""Pictures of every kind drawn by the command: beside their pictures and in folders, with EXIF and profile."""

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from cartoon_dist.commands.cartoonize import main
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.image.decode import decode
from cartoon_dist.image.srgb import srgb_profile
from tests.commands.test_cartoonize_command import negative_onnx
from tests.film.films import moving_shapes, write_film
from tests.image.test_pillow_formats import difference, saved, smooth
from tests.profiles import DISPLAY_P3
from tests.running import ROOT, script

PHOTO = ROOT / "shards/samples/photos/reef-1.jpg"


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(negative_onnx(tmp_path / "negative.onnx"))


def exif() -> bytes:
    """Of a phone that was held upright: a turned picture, its date and its place."""
    made = Image.Exif()
    made[ExifTags.Base.Model], made[ExifTags.Base.Orientation] = "Phone 1", 6
    made.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:07:01 10:20:30"
    made.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return made.tobytes()


def of_phone(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(saved("HEIC", smooth(), exif=exif(), icc_profile=DISPLAY_P3))
    return path


def opened(path: Path) -> Image.Image:
    image = Image.open(BytesIO(path.read_bytes()))
    image.load()
    return image


def test_a_photo_of_a_phone_is_drawn_beside_it(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = of_phone(tmp_path / "photo.heic")
    drawing = tmp_path / "photo-cartoon.jpg"
    for words, place in (([], {}), (["keep_place=true"], {1: "N"})):
        assert main([model, str(source), *words]) == 0
        assert capsys.readouterr().out == f"{drawing}: drawn by {model}\n"
        image = opened(drawing)
        assert (image.format, image.size) == ("JPEG", (48, 64))
        assert difference(255 - decode(source.read_bytes(), max_megapixels=1), image) <= 16
        assert image.info["icc_profile"] == srgb_profile()
        kept = image.getexif()
        assert (kept[ExifTags.Base.Model], kept[ExifTags.Base.Orientation]) == ("Phone 1", 1)
        assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2026:07:01 10:20:30"
        assert kept.get_ifd(ExifTags.IFD.GPSInfo) == place
    assert sorted(path.name for path in tmp_path.iterdir()) == ["negative.onnx", "photo-cartoon.jpg", "photo.heic"]


def test_a_name_or_a_setting_chooses_the_format(model: str, tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    smooth().save(source)
    for words, name in (
        ([], "a-cartoon.png"),
        (["format=webp"], "a-cartoon.webp"),
        ([str(tmp_path / "b.jpeg")], "b.jpeg"),
        ([str(tmp_path / "out"), "format=jpg", "quality=50"], "out/a.jpg"),
    ):
        assert main([model, str(source), *words]) == 0
        suffix = Path(name).suffix
        limit = {".png": 0, ".webp": 20, ".jpeg": 8, ".jpg": 60}[suffix]
        assert difference(255 - np.asarray(smooth()), opened(tmp_path / name)) <= limit
        assert "icc_profile" not in opened(tmp_path / name).info
    assert (tmp_path / "out/a.jpg").stat().st_size < (tmp_path / "b.jpeg").stat().st_size


def test_a_folder_of_all_kinds_is_drawn_twice_and_never_from_its_own_drawings(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in", tmp_path / "in-cartoons"
    (source / "deep").mkdir(parents=True)
    kinds = {"a.tif": "TIFF", "b.gif": "GIF", "c.avif": "AVIF", "deep/d.HEIC": "HEIC", "e.jpg": "JPEG", "f.bmp": "BMP"}
    for name, kind in kinds.items():
        (source / name).write_bytes(saved(kind, smooth()))
    of_phone(source / "really-heic.jpg")
    assert main([model, str(source / "e.jpg")]) == 0  # leaves e-cartoon.jpg in the folder
    capsys.readouterr()
    for _ in range(2):
        assert main([model, str(source)]) == 0
        said = capsys.readouterr()
        drawn = f"{target}: 7 drawings of 7 pictures by {model}, not taken: 1 drawing of this program"
        assert said.out.splitlines() == [drawn]
    names = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert names == ["a.png", "b.png", "c.png", "deep/d.png", "e.png", "f.png", "really-heic.png"]
    for name in kinds:
        expected = 255 - decode((source / name).read_bytes(), max_megapixels=1)
        assert difference(expected, opened((target / name).with_suffix(".png"))) == 0


def test_every_file_that_is_not_drawn_is_named_and_counted(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in"
    of_phone(source / "good.heic")
    cut = (source / "good.heic").read_bytes()[:-300]
    (source / "cut.heic").write_bytes(cut)
    for number in range(30):
        (source / f"{number:02d}.txt").touch()
    for name in ("film.mp4", "raw.cr3"):
        (source / name).touch()
    with pytest.raises(PictureError, match=r"1 of 2 pictures could not be drawn: cut\.heic; the reasons are above"):
        main([model, str(source)])
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert lines[0].startswith(f"not drawn: {source}/00.txt: is a text file; ")
    assert sum(line.startswith("not drawn: ") for line in lines) == 20
    assert "not taken: 30 .txt, 1 .cr3, 1 .mp4" in lines
    [skipped] = [line for line in lines if line.startswith("skipped ")]
    assert skipped.startswith("skipped cut.heic: the HEIC file is damaged (")
    assert said.out.endswith("by " + model + ", not taken: 30 .txt, 1 .cr3, 1 .mp4\n")


def test_a_file_of_somebody_else_is_not_replaced(model: str, tmp_path: Path) -> None:
    source = tmp_path / "photo.jpg"
    smooth().save(source)
    theirs = tmp_path / "photo-cartoon.jpg"
    smooth().save(theirs)
    before = theirs.read_bytes()
    for words in ([model, str(source)], [str(source), str(theirs)], [model, str(source), str(theirs)]):
        with pytest.raises(ConfigError, match=r"photo-cartoon\.jpg: is there and is no drawing of this program"):
            main(words)
    assert theirs.read_bytes() == before


def test_a_side_that_webp_cannot_hold_is_skipped_before_it_is_drawn(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "long.png"
    Image.new("RGB", (16_384, 8)).save(source)
    with pytest.raises(PictureError, match=r"1 of 1 picture could not be drawn: long\.png"):
        main([model, str(source), "format=webp"])
    assert "skipped long.png: 16384 x 8 pixels: a WebP has at most 16383 on a side" in capsys.readouterr().err


def test_quality_without_effect_is_told(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smooth().save(tmp_path / "a.png")
    assert main([model, str(tmp_path / "a.png"), "quality=80"]) == 0
    assert "warning: quality= has no effect on PNG, which keeps every pixel" in capsys.readouterr().err


@pytest.mark.slow
def test_one_word_is_enough(tmp_path: Path) -> None:
    """The real command, the model that comes with the program, and a photo as people have it."""
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    done = script("launch/cartoonize.py", "photo.jpg", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "photo-cartoon.jpg: drawn by the built-in model\n"), done.stderr
    drawing = np.asarray(opened(tmp_path / "photo-cartoon.jpg"))
    photo = decode(PHOTO.read_bytes(), max_megapixels=1)
    assert drawing.shape == photo.shape
    assert 2 < np.abs(drawing.astype(int) - photo).mean() < 100


@pytest.mark.slow
def test_a_film_is_drawn_beside_it(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_film(tmp_path / "film.mkv", moving_shapes(3))
    assert main([model, str(tmp_path / "film.mkv"), "steady=0"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}/film-cartoon.mp4: 3 frames drawn by ")


def test_a_long_side_makes_larger_pictures_smaller_first_and_no_other(model: str, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, size in (("wide.png", (96, 40)), ("tall.png", (40, 96)), ("small.png", (40, 24))):
        Image.fromarray(np.full((*size[::-1], 3), 200, np.uint8)).save(photos / name)
    assert main([model, str(photos), "long_side=48"]) == 0
    drawn = {path.name: opened(path) for path in (tmp_path / "photos-cartoons").iterdir()}
    sizes = {name: image.size for name, image in drawn.items()}
    assert sizes == {"wide.png": (48, 20), "tall.png": (20, 48), "small.png": (40, 24)}
    assert all(np.abs(np.asarray(image).astype(int) - 55).max() <= 1 for image in drawn.values())


@pytest.mark.parametrize(("side", "words", "num_told"), [(1800, [], 1), (1800, ["long_side=64"], 0), (400, [], 0)])
def test_of_large_pictures_the_built_in_model_says_that_its_strokes_are_small(
    side: int, words: list[str], num_told: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((side, side, 3), 200, np.uint8)).save(tmp_path / "photo.png")
    assert main([str(tmp_path / "photo.png"), *words]) == 0
    told = "1 picture of over 3 megapixels: the built-in model's strokes are some pixels wide; long_side=1600"
    assert capsys.readouterr().err.count(told) == num_told
