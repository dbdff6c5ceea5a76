"""AnimeGAN as a user trains it: on one process and two, stopped and gone on, recorded, exported, drawn with."""

import html
from collections.abc import Iterator
from pathlib import Path

import cv2
import jaxtyping
import pytest
import torch

from cartoon_dist.commands import cartoonize, export, fid
from cartoon_dist.commands.train import main
from cartoon_dist.errors import ConfigError
from tests.capture.capturing import recorded_faster
from tests.running import ROOT, metrics, script, tiny, train, weights

pytestmark = pytest.mark.slow

BASELINE = ROOT / "configs/baseline/animegan.yaml"
SMALL = ("batch_size=4", "epochs=3", "loss.content.network=vgg16", "loss.content.layer=conv1_2", "warmup.steps=3")


@pytest.fixture
def _no_shape_checks() -> Iterator[None]:
    """The exporter traces with symbols for sizes, which shape checks would fix."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", value=True)
    yield
    jaxtyping.config.update("jaxtyping_disable", value=before)


def words(shards: Path, run: Path, *more: str) -> list[str | Path]:
    """The smallest AnimeGAN."""
    first, *rest = tiny(shards, run)
    return [first, BASELINE, *rest, *SMALL, *more]


def test_one_process_and_two_train_alike(shards: Path, tmp_path: Path) -> None:
    runs = {}
    for num_processes in (1, 2):
        runs[num_processes] = tmp_path / f"on{num_processes}"
        exact = words(shards, runs[num_processes], "precision=fp64", "max_steps=8", "compare_every=2")
        done = train(exact, num_processes=num_processes)
        assert done.returncode == 0, done.stderr
        assert f"{num_processes} process" in done.stderr
    one, two = (weights(run, 8) for run in runs.values())
    assert one.keys() == two.keys()
    assert "discriminator/layers.3.conv.u" in one
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-9, atol=1e-9, msg=name)
    told = [[{k: v for k, v in record.items() if "/" in k} for record in metrics(run)] for run in runs.values()]
    for mine, theirs in zip(*told, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def test_stopped_and_gone_on_recorded_is_one_run(shards: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*map(str, words(shards, whole, "max_steps=14"))]) == 0
    with recorded_faster():
        for more in (
            ("max_steps=5",),
            ("max_steps=10", "capture.mode=generator"),
            ("max_steps=14", "capture.mode=iteration"),
        ):
            assert main([*map(str, words(shards, parts, *more, "capture.require=true"))]) == 0
    expected, found = weights(whole, 14), weights(parts, 14)
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.usefixtures("_no_shape_checks")
def test_what_it_trains_is_told_scored_exported_and_drawn_with(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main([*map(str, words(shards, run, "max_steps=5", "score.features=efficientnet_lite0"))]) == 0
    first, last = metrics(run)[0], metrics(run)[-1]
    assert [name for name in first if name.startswith("loss/")] == ["loss/content"]
    terms = {"adversarial_d", "adversarial_g", "content", "style", "colour"}
    assert {name for name in last if name.startswith("loss/")} == {f"loss/{term}" for term in terms}
    expected = {"adversarial_g": 300.0, "content": 1.5, "style": 3.0, "colour": 10.0}
    assert {name: last[f"weight/{name}"] for name in expected} == expected
    assert (first["lr/generator"], last["lr/generator"], last["lr/discriminator"]) == (1e-4, 8e-5, 1.6e-4)
    assert cv2.imread(str(run / "samples/step-0000005.png")).shape[1] == 3 * 32  # photo, label, drawing
    assert "its saliency label, G's drawing" in html.unescape((run / "report.html").read_text())
    assert fid.main([str(run)]) == 0
    picture = str(min((ROOT / "shards/samples/photos").glob("*.jpg")))
    for name in ("a.safetensors", "a.onnx"):
        assert export.main([str(run), str(tmp_path / name)]) == 0
        assert "animegan" in (tmp_path / f"{name}.md").read_text()
    assert "RBD" not in (tmp_path / "a.onnx.md").read_text()
    drawn = []
    for model, pixels in ((run, 1.0), (run, 0.01), (tmp_path / "a.safetensors", 1.0), (tmp_path / "a.onnx", 1.0)):
        out = tmp_path / f"{len(drawn)}.png"
        assert cartoonize.main([str(model), picture, str(out), "megapixels=" + str(pixels)]) == 0
        drawn.append(cv2.imread(str(out)).astype(int))
    assert all(abs(other - drawn[0]).max() <= 1 for other in drawn[1:])


def test_the_dry_run_and_the_capture_check_know_it(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(ROOT / "configs/hayao.yaml"), str(BASELINE), "--dry-run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "generator 3,956,096 discriminator 1,128,800 together 5,084,896" in said
    # In a process of its own: torch counts the kinds of devices at its first backward.
    checked = script("launch/train.py", *words(shards, tmp_path / "run"), "--check-capture")
    assert checked.returncode == 0, checked.stdout
    assert "can be captured, as far as a CPU tells" in checked.stdout


def test_settings_of_another_method_are_refused_or_named(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.saliency: animegan has no saliency network"):
        main([*map(str, words(shards, tmp_path / "run", "model.saliency=sal"))])
