"""Drawing a folder of pictures as a user does it, with all that may lie in one."""

import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from cartoon_dist.commands.cartoonize import main
from cartoon_dist.commands.main import EXIT_DONE, EXIT_USER_ERROR, status_of
from cartoon_dist.commands.train import main as train_main
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError, ConfigError, PictureError
from cartoon_dist.image.decode import decode
from cartoon_dist.inference.batched import torch_cartoonizer
from cartoon_dist.runs import export_file, trained
from tests.running import ROOT, script, with_little_room


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    data = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={folder}"]
    cheap = ["loss.content.weight=0", "warmup.loss=pixel", "max_steps=3", "checkpoint.every=2"]
    assert train_main([str(ROOT / "tests/tiny.yaml"), *data, *cheap]) == 0
    return folder


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def put(path: Path, pixels: np.ndarray, *, orientation: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = cv2.imencode(path.suffix, pixels)[1].tobytes()
    if orientation != 1:
        tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
        block = b"Exif\0\0" + tiff
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    path.write_bytes(data)
    return path


def read_png(path: Path) -> np.ndarray:
    """RGB, as it lies in the file."""
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    assert (stored.dtype, stored.ndim) == (np.uint8, 3)
    return np.asarray(stored)[..., ::-1]


def drawn_alone(run: Path, picture: Path) -> np.ndarray:
    generator = trained.load(run, weights="ema").generator
    cartoonizer = torch_cartoonizer(generator, torch.device("cpu"), megapixels=1)
    return cartoonizer.cartoonize([decode(picture.read_bytes(), max_megapixels=1)])[0]


@pytest.mark.slow
def test_a_folder_with_all_that_may_lie_in_one(run: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    pictures = [
        put(source / "a.jpg", noise(20, 30, 3)),
        put(source / "a.png", noise(20, 30, 3)),
        put(source / "deep/er/turned.jpg", noise(20, 30, 3), orientation=6),
        put(source / "deep/grey.bmp", noise(33, 17)),
        put(source / "alpha.png", noise(19, 23, 4)),
        put(source / "sixteen.png", noise(21, 29, 3, dtype=np.uint16)),
        put(source / "one.webp", noise(1, 1, 3)),
        put(source / "wide.png", noise(3, 200, 3)),
    ]
    (source / "broken.jpg").write_bytes(pictures[0].read_bytes()[:300])
    (source / "deep/empty.png").write_bytes(b"")
    (source / "notes.txt").write_text("no picture")
    done = script("launch/cartoonize.py", run, source, target)
    assert done.returncode == EXIT_USER_ERROR
    said = done.stderr.splitlines()
    assert [line for line in said if line.startswith("skipped")] == [
        "skipped broken.jpg: the JPEG file is cut off",
        "skipped deep/empty.png: the file is empty",
    ]
    [error] = [line for line in said if line.startswith("error:")]
    assert error == said[-1]
    assert "2 of 10 pictures could not be drawn: broken.jpg, deep/empty.png;" in error
    assert "Traceback" not in done.stderr
    assert "10/10 pictures (100 %)" in done.stderr
    assert done.stdout.splitlines()[-1] == f"{target}: 8 drawings of 10 pictures by {run}, not taken: 1 .txt"

    names = {"a.jpg": "a.jpg.png", "a.png": "a.png.png"}
    expected = {
        target / path.relative_to(source).parent / names.get(path.name, f"{path.stem}.png"): path for path in pictures
    }
    assert set(expected) == {path for path in target.rglob("*") if path.is_file()}
    for drawing, picture in expected.items():
        alone = drawn_alone(run, picture)
        assert np.abs(read_png(drawing).astype(int) - alone).max() <= 1, picture  # in company or alone: float rounding
    assert read_png(target / "deep/er/turned.png").shape == (30, 20, 3)
    assert read_png(target / "one.png").shape == (1, 1, 3)


def test_a_picture_by_a_checkpoint_and_by_raw_weights_replaces_the_old_one(run: Path, tmp_path: Path) -> None:
    picture, drawing = put(tmp_path / "a.png", noise(24, 24, 3)), tmp_path / "new/b.png"
    made = []
    for words in ([run], [run, "weights=raw"], [run / "step-0000002"], [run, "megapixels=0.0001"]):
        assert main([*map(str, words), str(picture), str(drawing)]) == EXIT_DONE
        made.append(read_png(drawing))
    assert not np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert np.abs(made[0].astype(int) - made[3]).max() <= 1
    assert np.array_equal(made[0], drawn_alone(run, picture))
    assert [path.name for path in drawing.parent.iterdir()] == ["b.png"]


def test_half_precision_is_asked_for(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = put(tmp_path / "a.png", noise(24, 24, 3))
    assert main([str(run), str(picture), str(tmp_path / "out"), "precision=bf16"]) == EXIT_DONE
    half, whole = read_png(tmp_path / "out/a.png").astype(int), drawn_alone(run, picture).astype(int)
    assert np.abs(half - whole).max() > 0
    assert np.abs(half - whole).mean() < 4
    model = negative_onnx(tmp_path / "a.onnx")
    assert status_of(main, [str(model), str(picture), str(tmp_path / "onnx"), "precision=bf16"]) == EXIT_DONE
    assert "precision=bf16 has no effect on an .onnx" in capsys.readouterr().err


def test_an_export_draws_as_its_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture, held = put(tmp_path / "a.png", noise(24, 24, 3)), trained.load(run, weights="ema")
    facts = export_file.ExportMetadata(settings=held.settings, weights="ema", step=held.step)
    model = tmp_path / "model.safetensors"
    model.write_bytes(export_file.to_safetensors(held.generator.state_dict(), facts))
    assert status_of(main, [str(model), str(picture), str(tmp_path / "out"), "weights=raw"]) == EXIT_DONE
    assert "weights=raw has no effect on an export" in capsys.readouterr().err
    assert np.array_equal(read_png(tmp_path / "out/a.png"), drawn_alone(run, picture))


def negative_onnx(path: Path) -> Path:
    """A model as launch/export.py writes it, which draws the negative."""
    sides = ["photos", 3, "height", "width"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("photo", "generated")]
    graph = helper.make_graph([helper.make_node("Neg", ["photo"], ["generated"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    facts = export_file.ExportMetadata(settings=read(TrainSettings, [], [], run_dir="x"), weights="ema", step=1)
    helper.set_model_props(model, export_file.to_strings(facts))
    onnx.save(model, path)
    return path


def test_onnx_draws_whole_pictures_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, source, target = negative_onnx(tmp_path / "a.onnx"), tmp_path / "in", tmp_path / "out"
    small, _ = put(source / "small.png", noise(9, 30, 3)), put(source / "large.png", noise(60, 61, 3))
    with pytest.raises(PictureError, match=r"1 of 2 pictures could not be drawn: large\.png"):
        main([str(model), str(source), str(target), "megapixels=0.001"])
    assert np.array_equal(read_png(target / "small.png"), 255 - read_png(small))
    assert [path.name for path in target.iterdir()] == ["small.png"]
    said = capsys.readouterr()
    assert "skipped large.png" in said.err
    assert "use the run or a .safetensors export" in said.err
    assert said.out.splitlines()[-1].startswith(f"{target}: 1 drawing of 2 pictures")


def test_what_lies_beside_the_pictures_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, source, target = negative_onnx(tmp_path / "a.onnx"), tmp_path / "in", tmp_path / "out"
    put(source / "a.png", noise(8, 8, 3))
    put(source / "s/contact-sheet.png", noise(8, 8, 3))
    (source / "s/job.json").write_text('{\n "format": 1}')
    for name in ("p.psd", "film.mp4", "._a.png"):
        (source / name).touch()
    assert main([str(model), str(source), str(target)]) == 0
    said = capsys.readouterr()
    words = "not taken: 1 .mp4, 1 .psd, 1 of the system (._a.png), 1 folder"
    assert said.out.splitlines() == [f"{target}/a.png: drawn by {model}, {words}"]
    assert said.err.startswith(
        f"not drawn: {source}/film.mp4: a film is drawn when it is named itself\n"
        f"not drawn: {source}/p.psd: .psd is no kind of picture that is read\n"
        f"{words}\nleft out {source}/s: it is a shard folder\n"
    )
    assert [path.name for path in target.rglob("*")] == ["a.png"]


@pytest.mark.parametrize(
    ("name", "advice"),
    [("a.zip", "is packed; unpack it with 'unzip"), ("films", "its 1 videos are not drawn with the folder: name each"),
     ("b.tar", "is a tar; unpack it with 'mkdir pictures && tar -xf .*b.tar"),
     ("l.txt", "is a text file; give a picture or a folder")],
)  # fmt: skip
def test_what_holds_no_picture_is_told_what_to_type(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / "films").mkdir()
    for file in ("a.zip", "b.tar", "l.txt", "films/c.mp4"):
        (tmp_path / file).touch()
    with pytest.raises(PictureError, match=f"{name}: .*{advice}"):
        main([str(negative_onnx(tmp_path / "a.onnx")), str(tmp_path / name), str(tmp_path / "out")])


def test_thousands_that_cannot_be_drawn_are_not_thousands_of_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(50):
        (tmp_path / f"in/{number}.png").touch()
    with pytest.raises(PictureError, match="50 of 50 pictures could not be drawn"):
        main([str(negative_onnx(tmp_path / "a.onnx")), str(tmp_path / "in"), str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert said.count("the file is empty") == 21
    assert "skipped: 50, mostly: 50 x the file is empty" in said


def test_what_cannot_be_is_said_before_anything_is_drawn(run: Path, tmp_path: Path) -> None:
    source = put(tmp_path / "in/a.png", noise(8, 8, 3)).parent
    (tmp_path / "none").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for words, fault, kind in (
        ((run, source, source), "is the folder of the pictures", ConfigError),
        ((run, source, source / "out"), "is inside", ConfigError),
        ((run, source / "a.png", source / "a.png"), "would take the place of", ConfigError),
        ((run, tmp_path / "none", tmp_path / "out"), "no pictures in it", PictureError),
        (
            (run, source, tmp_path / "out", "device=moon"),
            "device: Input should be 'auto', 'cpu' or 'cuda'",
            ConfigError,
        ),
        ((run, source, tmp_path / "out", "device=cuda"), "torch finds no CUDA device", ConfigError),
        (
            (run, source, tmp_path / "out", "megapixel=2"),
            "megapixel: no such setting",
            ConfigError,
        ),
        ((tmp_path / "none", source, tmp_path / "out"), "no whole checkpoint", CheckpointError),
        ((tmp_path / "none.onnx", source, tmp_path / "out"), "none.onnx", CheckpointError),
    ):
        with pytest.raises(kind, match=fault):
            main([str(word) for word in words])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.slow
def test_a_full_disk_stops_and_leaves_the_old_drawing_whole(run: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    put(source / "a.png", noise(8, 8, 3))
    put(source / "b.png", noise(8, 8, 3))
    assert main([str(run), str(source / "b.png"), str(target)]) == EXIT_DONE
    old = (target / "b.png").read_bytes()
    put(source / "b.png", noise(120, 120, 3))
    put(source / "c.png", noise(12, 12, 3))
    done = with_little_room("launch/cartoonize.py", run, source, target, kibibytes=4)
    assert done.returncode == EXIT_USER_ERROR, done.stderr
    [error] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert f"{target / 'b.png'}: cannot be written (File too large)" in error
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines() == [f"{target}: 1 drawing of 3 pictures by {run}"]
    assert (target / "b.png").read_bytes() == old
    assert sorted(path.name for path in target.iterdir()) == ["a.png", "b.png"]


def test_the_command_imports_no_room_that_it_does_not_need() -> None:
    code = "import sys, cartoon_dist.commands.cartoonize; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = [name for name in done.stdout.split() if name.startswith("cartoon_dist.")]
    unneeded = (
        "losses",
        "methods",
        "train",
        "capture",
        "metrics",
        "superpixels",
        "saliency",
        "data.build",
        "data.load",
    )
    assert [name for name in modules if name.startswith(tuple(f"cartoon_dist.{room}" for room in unneeded))] == []
    assert len(modules) < 80
