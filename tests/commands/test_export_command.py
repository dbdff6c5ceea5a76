"""An export as a user asks for it."""

import resource
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from cartoon_dist.commands import cartoonize, export
from cartoon_dist.commands.train import main as train_main
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.hub.locate import locate_model
from cartoon_dist.runs import trained
from cartoon_dist.tensors import from_bytes
from tests.running import ROOT, script


def trained_on(shards: Path, folder: Path) -> Path:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={folder}"]
    cheap = ["loss.content.weight=0", "warmup.loss=pixel", "max_steps=3", "checkpoint.every=2"]
    assert train_main([str(ROOT / "tests/tiny.yaml"), *folders, *cheap]) == 0
    return folder


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_on(shards, tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.slow
def test_onnx_from_the_command_and_run_by_onnxruntime_alone(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "models/hayao.onnx"
    done = script("launch/export.py", run, out, f"photo={ROOT / 'shards/samples/photos/bridge.jpg'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{out}: step 3, ema; differs from the trained generator by ")
    picture = cv2.imread(str(ROOT / "shards/samples/photos/wine.jpg"))[:200, :120, ::-1]
    photo = np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)
    [drawn] = onnxruntime.InferenceSession(out).run(None, {"photo": photo})
    with torch.no_grad():
        expected = trained.load(run, weights="ema").generator(torch.from_numpy(photo)).generated
    assert np.abs(drawn - expected.numpy()).max() < 1e-4
    card = (tmp_path / "models/hayao.onnx.md").read_text()
    # Of the photo: the networks draw sides that are multiples of 4.
    assert "on a photo at 908 x 512" in card
    assert "step 3" in card


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_a_checkpoint_as_safetensors(run: Path, tmp_path: Path, weights: str) -> None:
    out = tmp_path / "hayao.safetensors"
    for _ in range(2):  # run again, it writes again
        assert export.main([str(run / "step-0000002"), str(out), f"weights={weights}"]) == 0
    held = trained.load(out, weights="ema")
    before = trained.load(run / "step-0000002", weights="raw" if weights == "raw" else "ema")
    assert (held.step, held.weights) == (2, weights)
    photo = from_bytes(torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8))
    assert torch.equal(held.generator(photo).generated, before.generator(photo).generated)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hayao.safetensors", "hayao.safetensors.md"]


def test_half_precision(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.safetensors"
    assert export.main([str(run), str(out), "precision=fp16"]) == 0
    assert "two grey levels, are allowed in half precision" in capsys.readouterr().out
    assert "half precision" in out.with_name("small.safetensors.md").read_text(encoding="utf-8")
    assert next(trained.load(out, weights="ema").generator.parameters()).dtype == torch.float16
    for other in ("small.onnx", "folder/", "hf://me/small"):
        with pytest.raises(ConfigError, match=r"precision=fp16: is for OUT\.safetensors alone"):
            export.main([str(run), other, "precision=fp16"])


def test_what_cannot_be_exported(run: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match=r"a\.pt: name it"):
        export.main([str(run), str(tmp_path / "a.pt")])
    with pytest.raises(CheckpointError, match="is no run and no checkpoint"):
        export.main([str(tmp_path / "none"), out])
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        export.main([str(tmp_path), out])
    with pytest.raises(ConfigError, match="cannot be read"):
        export.main([str(run), out, f"photo={tmp_path / 'none.jpg'}"])
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"broken\.jpg: not a JPEG.*give another photo"):
        export.main([str(run), out, f"photo={tmp_path / 'broken.jpg'}"])
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((7, 30, 3), np.uint8))
    with pytest.raises(ConfigError, match="smaller than 8 x 8"):
        export.main([str(run), out, f"photo={tmp_path / 'small.png'}"])
    assert not Path(out).exists()


def test_a_folder_as_a_hub_takes_it(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "models/hayao"
    for _ in range(2):  # run again, it writes again
        assert export.main([str(run), f"{out}/", "licence=cc-by-4.0"]) == 0
        assert capsys.readouterr().out.startswith(
            f"{out}: step 3, ema; differs from the trained generator by 0 at most"
        )
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert (out / "README.md").read_text().startswith("---\nlicense: cc-by-4.0\n")
    assert str(tmp_path) not in "".join((out / name).read_text() for name in ("README.md", "config.json"))
    drawn = locate_model(str(out))
    assert drawn == out / "model.safetensors"
    assert trained.load(drawn, weights="ema").step == 3
    with pytest.raises(ConfigError, match="holds other files, which an export would replace; name a new folder"):
        export.main([str(run), str(run.parent)])
    with pytest.raises(ConfigError, match="licence: "):
        export.main([str(run), f"{out}/", "licence=My own"])


def test_shards_that_are_gone(shards: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    run = trained_on(copied, tmp_path / "run")
    shutil.rmtree(copied)
    with pytest.raises(ConfigError, match="photo=FILE"):
        export.main([str(run), str(tmp_path / "a.safetensors")])


def test_a_full_disk_leaves_the_export_that_is_there(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.safetensors"
    assert export.main([str(run), str(out)]) == 0
    before = out.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match=r"a\.safetensors: cannot be written"):
            export.main([str(run), str(out)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_generator_of_the_warmup_is_warned_of_by_all_that_draw_with_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    photo, out = tmp_path / "photo.png", tmp_path / "a.safetensors"
    cv2.imwrite(str(photo), np.full((16, 12, 3), 90, np.uint8))
    warned = "step 2 is of the warm-up, in which the generator learns to copy photos"
    for model, expected in ((run / "step-0000002", True), (run, False)):
        assert export.main([str(model), str(out)]) == 0
        assert (warned in capsys.readouterr().err) == expected
        for drawing_with in (model, out):
            caplog.clear()
            assert cartoonize.main([str(drawing_with), str(photo), str(tmp_path / "drawn.png")]) == 0
            assert (warned in caplog.text) == expected


def test_scores_that_cannot_be_read_stop_no_export(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    out, card = tmp_path / "a.safetensors", tmp_path / "a.safetensors.md"
    (folder / "scores.json").write_text('[{}, {"step": 3}, {"step": 3, "value": 2.5, "metric": "mine"}]')
    assert export.main([str(folder), str(out)]) == 0
    assert "| 3 | `mine` | 2.5 |" in card.read_text()
    (folder / "scores.json").write_bytes(b"\xff[")
    assert export.main([str(folder), str(out)]) == 0
    assert "scores.json: is no list of scores" in caplog.text
    assert "Not scored." in card.read_text()
