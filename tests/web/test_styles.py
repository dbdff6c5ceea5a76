"""Names of models on a page, and what a visitor may send."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.errors import CheckpointError, PictureError
from cartoon_dist.web.styles import PhotoLimits, draw, load_styles, read_photo, style_names
from tests.web.small_models import write_model

LIMITS = PhotoLimits(max_bytes=1_000_000, max_megapixels=0.5, max_drawn_megapixels=0.01)


def written(path: Path, *, height: int, width: int) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), noise)
    return path


def test_no_two_models_have_one_name(tmp_path: Path) -> None:
    (tmp_path / "runs/hayao").mkdir(parents=True)
    models = ["a/hayao.safetensors", "b/hayao.onnx", "runs/hayao", "c/Hayao.onnx", "c/hosoda.onnx"]
    models += ["anyone/hosoda@v1"]
    names = style_names([str(tmp_path / model) for model in models])
    assert names == ["hayao", "hayao-2", "hayao-3", "Hayao-4", "hosoda", "hosoda-v1"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("two words.onnx", "two-words"),
        ("<b>&'\".onnx", "b"),
        ("été\u202e.onnx", "t"),
        ("日本.onnx", "model"),
        (f"{'x' * 200}.onnx", "x" * 60),
        ("..onnx", "model"),
    ],
)
def test_a_name_can_be_a_file_and_a_word_of_the_page(tmp_path: Path, file: str, name: str) -> None:
    assert style_names([str(tmp_path / file)]) == [name]


def test_a_checkpoint_is_named_with_its_run(tmp_path: Path) -> None:
    folder = tmp_path / "hayao" / "step-0000020"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    assert style_names([str(folder)]) == ["hayao-step-0000020"]


def test_a_photo_is_read_as_it_was_uploaded(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jpg", height=20, width=40)
    jpeg = path.read_bytes()
    turned = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(turned) + 2) + turned + jpeg[2:])
    assert read_photo(path, LIMITS).shape == (40, 20, 3)


def test_what_is_no_photo_or_too_large_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "a.png"
    text.write_text("<svg onload='alert(1)'/>")
    with pytest.raises(PictureError):
        read_photo(text, LIMITS)
    with pytest.raises(PictureError, match=r"1000 x 600 pixels are more than max_megapixels=0\.5"):
        read_photo(written(tmp_path / "b.jpg", height=600, width=1000), LIMITS)
    long = written(tmp_path / "c.bmp", height=600, width=600)
    with pytest.raises(PictureError, match=r"cannot be read .*more than the 1,000,000 bytes"):
        read_photo(long, LIMITS)
    with pytest.raises(PictureError, match="cannot be read"):
        read_photo(tmp_path / "gone.png", LIMITS)


def test_a_drawing_has_the_photo_s_size_and_a_limit(tmp_path: Path) -> None:
    [style] = load_styles({"a": write_model(tmp_path / "a.safetensors")}, weights=None, device="cpu", megapixels=1)
    photo = np.random.default_rng(0).integers(0, 256, (50, 61, 3), dtype=np.uint8)
    cartoon = draw(style, photo, LIMITS, lambda _done, _of: None)
    assert (cartoon.shape, cartoon.dtype) == ((50, 61, 3), np.uint8)
    assert cartoon.std() > 10
    with pytest.raises(PictureError, match=r"0\.1 megapixels are more than the 0\.01 that are drawn here; choose a sm"):
        draw(style, np.zeros((200, 300, 3), np.uint8), LIMITS, lambda _done, _of: None)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        load_styles({"a": tmp_path / "nowhere"}, weights=None, device="cpu", megapixels=1)
