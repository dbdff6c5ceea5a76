"""Pictures and models that are not whole, of other colours, or no plain files: told by name, and nothing hangs."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.commands.cartoonize import main
from cartoon_dist.errors import CartoonError, CheckpointError, PictureError
from tests.commands.test_cartoonize_command import negative_onnx, noise, put, read_png
from tests.profiles import DISPLAY_P3, P3_TO_SRGB, from_light, iccp, png, to_light


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return negative_onnx(tmp_path / "negative.onnx")


def half(picture: Path) -> Path:
    """The first half of a JPEG, with the mark of an end."""
    data = picture.read_bytes()
    picture.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    return picture


def test_half_a_jpeg_is_skipped_or_taken(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    put(source / "whole.png", noise(8, 8, 3))
    half(put(source / "half.jpg", noise(32, 32, 3)))
    with pytest.raises(PictureError, match=r"1 of 2 pictures could not be drawn: half\.jpg"):
        main([str(model), str(source), str(target)])
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "premature" in line] == [
        "skipped half.jpg: the JPEG file is damaged (premature end of data segment); "
        "damaged=take draws what can be read of it"
    ]
    assert [path.name for path in target.iterdir()] == ["whole.png"]

    assert main([str(model), str(source), str(target), "damaged=take"]) == 0
    said = capfd.readouterr().err.splitlines()
    assert [line for line in said if "premature" in line] == [
        "warning: half.jpg: the JPEG file is damaged (premature end of data segment); drawn as it is"
    ]
    assert read_png(target / "half.png").shape == (32, 32, 3)


def test_display_p3_is_drawn_as_srgb(model: Path, tmp_path: Path) -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (8, 12, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(png(rgb, iccp(DISPLAY_P3)))
    assert main([str(model), str(tmp_path / "a.png"), str(tmp_path / "out")]) == 0
    expected = 255 - from_light(to_light(rgb) @ P3_TO_SRGB.T)
    assert np.abs(read_png(tmp_path / "out/a.png") - expected).max() <= 2


def unfit(folder: Path, suffix: str) -> dict[str, Path]:
    """What may have a file's name and is no plain file that ends."""
    made = {kind: folder / f"{kind}{suffix}" for kind in ("pipe", "zero", "huge")}
    os.mkfifo(made["pipe"])
    made["zero"].symlink_to("/dev/zero")
    with made["huge"].open("wb") as file:
        file.truncate(1 << 42)
    return made


def test_pictures_that_are_no_plain_files_do_not_hang(model: Path, tmp_path: Path) -> None:
    made = unfit(tmp_path, ".png")
    for picture in made.values():
        with pytest.raises(CartoonError) as error:
            main([str(model), str(picture), str(tmp_path / "out")])
        assert picture.name in str(error.value)
    assert not (tmp_path / "out").exists()


def test_those_in_a_folder_do_not_hang_either(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "in/whole.png", noise(8, 8, 3))
    unfit(tmp_path / "in", ".png")
    with pytest.raises(PictureError, match=r"huge\.png"):
        main([str(model), str(tmp_path / "in"), str(tmp_path / "out")])
    assert "skipped huge.png: cannot be read (4,398,047 MB are more than the 1,667 MB" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole.png"]


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ""])
def test_models_that_are_no_plain_files_are_one_line(tmp_path: Path, suffix: str) -> None:
    put(tmp_path / "in/a.png", noise(8, 8, 3))
    for model in unfit(tmp_path, suffix).values():
        with pytest.raises(CheckpointError, match=model.name) as error:
            main([str(model), str(tmp_path / "in"), str(tmp_path / "out")])
        assert "\n" not in str(error.value)


def test_a_run_whose_files_are_no_plain_files_is_one_line(tmp_path: Path) -> None:
    put(tmp_path / "in/a.png", noise(8, 8, 3))
    for name in ("config.yaml", "manifest.json", "generator.safetensors"):
        step = tmp_path / name.replace(".", "-") / "step-0000001"
        step.mkdir(parents=True)
        for path in (step.parent / "config.yaml", step / "config.yaml", step / "manifest.json"):
            path.write_text("{}")
        (step / name).unlink(missing_ok=True)
        os.mkfifo(step / name)
        for given in (step, step.parent):
            with pytest.raises(CheckpointError) as error:
                main([str(given), str(tmp_path / "in"), str(tmp_path / "out")])
            assert "\n" not in str(error.value)


def test_a_picture_that_opencv_reads_is_read_as_before(model: Path, tmp_path: Path) -> None:
    picture = put(tmp_path / "a.jpg", noise(16, 16, 3))
    assert main([str(model), str(picture), str(tmp_path / "out")]) == 0
    stored = cv2.imread(str(picture), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(read_png(tmp_path / "out/a.png"), 255 - stored)
