"""Where drawings go: beside their pictures, into files that are named, and never over a file of somebody else."""

from pathlib import Path

import numpy as np
import pytest

from cartoon_dist.data.inputs.search import IgnoredFiles
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.image.encode import DRAWING_FORMATS, DrawingFormat, encode
from cartoon_dist.image.exif_copy import kept_exif
from cartoon_dist.inference.output_paths import default_target, is_own_drawing, output_paths

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)


def drawing(path: Path) -> Path:
    """A drawing as the command writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name: DrawingFormat = "jpg" if path.suffix == ".jpg" else "webp" if path.suffix == ".webp" else "png"
    path.write_bytes(encode(PIXELS, name, exif=kept_exif(b"", keep_place=False)))
    return path


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(PIXELS, "jpg"))
    return path


@pytest.mark.parametrize(
    ("name", "file_format", "target"),
    [
        ("a.jpg", None, "a-cartoon.jpg"),
        ("b.JPEG", None, "b-cartoon.jpg"),
        ("c.png", None, "c-cartoon.png"),
        ("d.webp", None, "d-cartoon.webp"),
        ("e.heic", None, "e-cartoon.jpg"),
        ("f.v2.tif", None, "f.v2-cartoon.jpg"),
        ("g.gif", "webp", "g-cartoon.webp"),
        ("h.jpg", "png", "h-cartoon.png"),
        ("i.MOV", None, "i-cartoon.mp4"),
    ],
)
def test_a_drawing_lies_beside_its_picture(
    tmp_path: Path, name: str, file_format: DrawingFormat | None, target: str
) -> None:
    assert default_target(tmp_path / name, file_format) == tmp_path / target


@pytest.mark.parametrize(
    ("name", "beside", "file_format", "target"),
    [
        ("a.heic", "a.jpg", None, "a.heic-cartoon.jpg"),
        ("a.HEIC", "a.JPG", None, "a.HEIC-cartoon.jpg"),
        ("a.jpg", "a.heic", None, "a-cartoon.jpg"),
        ("a.jpeg", "a.jpg", None, "a.jpeg-cartoon.jpg"),
        ("a.tif", "a.gif", None, "a.tif-cartoon.jpg"),
        ("a.gif", "a.tif", None, "a.gif-cartoon.jpg"),
        ("a.heic", "a.png", None, "a-cartoon.jpg"),  # whose drawing is a PNG
        ("a.heic", "a.mp4", None, "a-cartoon.jpg"),
        ("a.heic", "ab.jpg", None, "a-cartoon.jpg"),
        ("a.heic", "a.txt", None, "a-cartoon.jpg"),
        ("a.jpg", "a.webp", "png", "a.jpg-cartoon.png"),
        ("a.png", "a.webp", "png", "a-cartoon.png"),
        ("a.mov", "a.mp4", None, "a.mov-cartoon.mp4"),
        ("a.mp4", "a.mov", None, "a-cartoon.mp4"),
    ],
)
def test_pictures_of_one_stem_keep_their_drawings_apart(
    tmp_path: Path, name: str, beside: str, file_format: DrawingFormat | None, target: str
) -> None:
    for each in (name, beside):
        (tmp_path / each).touch()
    assert default_target(tmp_path / name, file_format) == tmp_path / target
    swapped = default_target(tmp_path / beside, file_format)
    assert swapped != tmp_path / target


def test_drawings_of_a_folder_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "in/sub/a.jpg")
    assert default_target(tmp_path / "in", None) == tmp_path / "in-cartoons"
    monkeypatch.chdir(tmp_path / "in")
    assert default_target(Path(), None) == tmp_path / "in-cartoons"
    assert default_target(Path("sub"), None) == Path("sub-cartoons")
    assert default_target(Path("sub/.."), None) == tmp_path / "in-cartoons"
    with pytest.raises(ConfigError, match="has no folder beside it; name an OUTPUT"):
        default_target(Path("/"), None)


@pytest.mark.parametrize("file_format", DRAWING_FORMATS)
def test_a_drawing_is_known_in_each_format(tmp_path: Path, file_format: DrawingFormat) -> None:
    assert is_own_drawing(drawing(tmp_path / f"a.{file_format}"))
    assert not is_own_drawing(photo(tmp_path / "b.jpg"))
    assert not is_own_drawing(tmp_path)
    assert not is_own_drawing(tmp_path / "none")


def test_drawings_among_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "my-cartoon.jpg")  # somebody's photo of a cartoon
    drawing(tmp_path / "b.png")  # copied and renamed: it is wanted
    drawing(tmp_path / "a-cartoon.jpg")
    drawing(tmp_path / "old-cartoons/x.webp")
    ignored = IgnoredFiles()
    outputs = output_paths(tmp_path, tmp_path.parent / f"{tmp_path.name}-out", ignored)
    assert [output.name for output in outputs] == ["a.jpg", "b.png", "my-cartoon.jpg"]
    assert ignored.in_words() == "not taken: 2 drawings of this program"
    for name in ("a.jpg", "my-cartoon.jpg", "b.png", "a-cartoon.jpg"):
        (tmp_path / name).unlink()
    with pytest.raises(PictureError, match=r"no pictures in it; .*not taken: 1 drawing of this program"):
        output_paths(tmp_path, tmp_path.parent / f"{tmp_path.name}-out")


def test_only_drawings_are_replaced(tmp_path: Path) -> None:
    source = photo(tmp_path / "in/a.jpg")
    drawing(tmp_path / "out/a.png")
    drawing(tmp_path / "a.jpg")
    assert output_paths(source.parent, tmp_path / "out")
    assert output_paths(source, tmp_path / "a.jpg")
    for target in (photo(tmp_path / "theirs/a.png").parent, photo(tmp_path / "theirs.jpg")):
        with pytest.raises(ConfigError, match="is there and is no drawing of this program, so it is not replaced"):
            output_paths(source, target)
    (tmp_path / "link.png").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="is not replaced"):
        output_paths(source, tmp_path / "link.png")


def test_the_name_or_the_setting_chooses_the_format(tmp_path: Path) -> None:
    source = photo(tmp_path / "in/a.heic")
    for target, file_format, expected in (
        ("new", None, "new/a.png"),
        ("new", "webp", "new/a.webp"),
        ("b.JPG", None, "b.JPG"),
        ("b.webp", "webp", "b.webp"),
    ):
        [output] = output_paths(source, tmp_path / target, file_format=file_format)  # type: ignore[arg-type]
        assert output.path == tmp_path / expected
    photo(source.with_name("a.jpg"))
    outputs = output_paths(source.parent, tmp_path / "out", file_format="jpg")
    assert [(output.path.name, output.file_format) for output in outputs] == [
        ("a.heic.jpg", "jpg"),
        ("a.jpg.jpg", "jpg"),
    ]
    with pytest.raises(ConfigError, match=r"b\.png: is no name for format=jpg"):
        output_paths(source, tmp_path / "b.png", file_format="jpg")
    with pytest.raises(ConfigError, match=r"b\.heic: drawings are written as JPEG, PNG or WebP"):
        output_paths(source, tmp_path / "b.heic")
