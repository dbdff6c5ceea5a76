"""Scores of a run as a user asks for them."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cartoon_dist.commands import fid
from cartoon_dist.commands.cartoonize import main as cartoonize
from cartoon_dist.commands.shards import photos as shards_of_photos
from cartoon_dist.commands.train import main as train_main
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.errors import CartoonError, CheckpointError, ConfigError, ShardError, WeightsError
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.metrics.saliency_l1 import constant_map
from tests.running import ROOT, script, train

pytestmark = pytest.mark.slow

NEEDED = ROOT / "weights/efficientnet-lite0-57934424.pth"
SMALL = ["score.features=efficientnet_lite0", f"weights_folder={ROOT / 'weights'}"]


def words(shards: Path, run: Path, *more: str) -> list[str]:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={run}"]
    folders.append(f"data.cache={run.parent / 'cache'}")
    cheap = ["loss.content.weight=0", "warmup.loss=pixel", "max_steps=3", "checkpoint.every=2", "precision=fp64"]
    return [str(ROOT / "tests/tiny.yaml"), *folders, *cheap, *more]


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not NEEDED.exists():
        pytest.skip("weights/ lacks efficientnet_lite0; make weights fetches it")
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert train_main(words(shards, folder)) == 0
    return folder


def scores(run: Path) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = json.loads((run / "scores.json").read_text())
    return held


def test_a_run_a_checkpoint_and_raw_weights(run: Path, shards: Path) -> None:
    for arguments in ([str(run)], [str(run)], [str(run / "step-0000002")], [str(run), "weights=raw"]):
        assert fid.main([*arguments, *SMALL]) == 0
    held = scores(run)
    # Two held-out photos are too few for precision and recall.
    metrics = [
        "frechet_efficientnet_lite0",
        "frechet_efficientnet_lite0_floor",
        "lpips",
        "lpips_salient",
        "saliency_l1_train",
        "saliency_l1_test",
    ]
    # Asked twice, the same score stands there once.
    assert [(score["metric"], score["step"]) for score in held] == [(m, step) for step in (3, 2, 3) for m in metrics]
    first = held[0]
    photos = Shards(folder=shards / "photos", domain="photo", split="test")
    assert (first["num_generated"], first["num_real"]) == (len(photos), 22)
    assert first["protocol"]["weights"] == "ema"
    assert held[12]["protocol"]["weights"] == "raw"
    assert first["protocol"]["photos"] == {"split": "test", "fingerprint": photos.fingerprint()}
    assert first["weights_sha256"].startswith("57934424")
    assert len({score["value"] for score in held[::6]}) == 3


def test_the_cartoons_are_looked_at_once_and_drawings_are_not_kept(run: Path) -> None:
    assert fid.main([str(run), *SMALL]) == 0
    before = (run / "scores.json").read_bytes()
    folders = list((run.parent / "cache/features").iterdir())
    assert [set(json.loads((folder / "made_from.json").read_text())) for folder in folders] == [{"cartoons", "seen"}]
    [path] = folders[0].glob("*.npy")
    written = path.stat().st_mtime_ns
    assert fid.main([str(run), *SMALL]) == 0
    assert path.stat().st_mtime_ns == written
    assert (run / "scores.json").read_bytes() == before


def test_the_constant_map_is_the_best_that_does_not_look(run: Path, shards: Path) -> None:
    train_photos = Shards(folder=shards / "photos", domain="photo", split="train")
    labels = np.stack([train_photos.read(number).companion for number in range(len(train_photos))]).astype(float)
    best = np.abs(labels - constant_map(train_photos)).mean()
    for other in (labels.mean(axis=0), labels[0], np.zeros_like(labels[0])):
        assert best <= np.abs(labels - other).mean() + 0.5  # the median is stored as a whole number
    assert fid.main([str(run), *SMALL]) == 0
    [score] = [s for s in scores(run) if s["metric"] == "saliency_l1_train" and s["step"] == 3][:1]
    assert score["protocol"]["constant_map"] == pytest.approx(best / 127.5, rel=1e-4)


def test_training_ends_with_a_score_and_two_processes_give_the_same(shards: Path, tmp_path: Path, run: Path) -> None:
    assert fid.main([str(run), *SMALL]) == 0
    done = train(words(shards, tmp_path / "run", "score_at_end=true", *SMALL), num_processes=2)
    assert done.returncode == 0, done.stderr
    assert "frechet_efficientnet_lite0" in done.stderr
    alone = next(score for score in scores(run) if score["step"] == 3 and score["protocol"]["weights"] == "ema")
    together = scores(tmp_path / "run")[0]
    assert together["metric"] == "frechet_efficientnet_lite0"
    assert together["value"] == pytest.approx(alone["value"], rel=1e-3)
    before = (tmp_path / "run/scores.json").read_bytes()
    again = train(words(shards, tmp_path / "run", "score_at_end=true", *SMALL))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "run/scores.json").read_bytes() == before


def test_missing_weights_are_said_in_one_line_and_no_other_network_is_taken(run: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="fetch inception"):
        fid.main([str(run), f"weights_folder={tmp_path}"])
    with pytest.raises(WeightsError, match="fetch efficientnet_lite0"):
        fid.main([str(run), "score.features=efficientnet_lite0", f"weights_folder={tmp_path}"])


def test_training_asks_for_the_scores_weights_before_it_begins(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="fetch inception"):
        train_main(words(shards, tmp_path / "run", "score_at_end=true", f"weights_folder={tmp_path}"))
    assert not list((tmp_path / "run").glob("step-*"))


def test_the_untrained_generator_to_compare_with(run: Path) -> None:
    assert fid.main([str(run), "--untrained", *SMALL]) == 0
    [first, *_] = [score for score in scores(run) if score["step"] == 0]
    assert first["metric"] == "frechet_efficientnet_lite0"
    assert first["protocol"]["weights"] == "ema"
    with pytest.raises(CheckpointError, match="is no run"):
        fid.main([str(run / "samples"), "--untrained", *SMALL])


def test_an_exported_file_is_not_scored(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").touch()
    with pytest.raises(CheckpointError, match="a run or a checkpoint is scored"):
        fid.main([str(tmp_path / "a.safetensors"), *SMALL])


def test_a_run_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        fid.main([str(tmp_path), *SMALL])


def test_a_slip_is_met_with_what_a_score_takes() -> None:
    with pytest.raises(ConfigError, match=r"scor.features: no such setting, did you mean score.features\?"):
        fid.main(["nowhere", "scor.features=inception"])


def test_settings_of_the_training_are_not_the_scores_to_change(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"model.*belongs to the training"):
        fid.main([str(run), "model.channels=8", *SMALL])


def test_no_held_out_photos_and_one_cartoon(run: Path, tmp_path: Path) -> None:

    (tmp_path / "one").mkdir()
    (tmp_path / "one/club.jpg").symlink_to(ROOT / "shards/samples/cartoons/club.jpg")
    made = {
        "cartoons": [tmp_path / "one", tmp_path / "cartoons"],
        "photos": [ROOT / "shards/samples/photos", tmp_path / "photos", "test_fraction=0"],
    }
    for domain, arguments in made.items():
        done = script(f"shards/{domain}.py", *arguments, "image_size=32", "num_workers=1")
        assert done.returncode == 0, done.stderr
    with pytest.raises(ShardError, match="no held-out photos"):
        fid.main([str(run), *SMALL, f"data.photos={tmp_path / 'photos'}"])
    with pytest.raises(Exception, match="1 real pictures have no distance"):
        fid.main([str(run), *SMALL, f"data.cartoons={tmp_path / 'cartoons'}"])


def test_a_full_disk_leaves_the_scores_that_are_there(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    assert fid.main([str(run), *SMALL]) == 0
    before = (run / "scores.json").read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        fid.main([str(run), *SMALL])
    assert (run / "scores.json").read_bytes() == before


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of one size."""
    folder = tmp_path_factory.mktemp("real")
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(0, 256, (24, 40, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{seed}.png"), noise)
    return folder


def test_a_run_against_a_folder_is_what_it_draws_of_its_held_out_photos(
    run: Path,
    shards: Path,
    real: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And not its sample sheets: the same number comes of the drawings as files."""
    assert fid.main([str(run), *SMALL]) == 0
    before = (run / "scores.json").read_bytes()
    out = tmp_path / "out.json"
    asked = [f"against={real}", f"out={out}", *SMALL]
    for model in (run, run / "step-0000002"):
        assert fid.main([str(model), *asked]) == 0
        assert f"of {run} against {real}: frechet_efficientnet_lite0 " in capsys.readouterr().out
    assert fid.main([str(run), "--untrained", *asked]) == 0
    held = [score for score in json.loads(out.read_text()) if score["metric"] == "frechet_efficientnet_lite0"]
    photos = Shards(folder=shards / "photos", domain="photo", split="test")
    assert [(score["step"], score["num_generated"], score["num_real"]) for score in held] == [
        (step, len(photos), 5) for step in (3, 2, 0)
    ]
    assert held[0]["protocol"]["photos"] == {"split": "test", "fingerprint": photos.fingerprint()}
    # The run's own scores are against its style.
    assert (run / "scores.json").read_bytes() == before
    (tmp_path / "photos").mkdir()
    for number in range(len(photos)):
        cv2.imwrite(str(tmp_path / f"photos/{number:02d}.png"), photos.read(number).picture[..., ::-1])
    assert cartoonize([str(run), str(tmp_path / "photos"), str(tmp_path / "drawings")]) == 0
    alone, cached = tmp_path / "alone.json", f"data.cache={tmp_path / 'cache'}"
    assert fid.main([str(tmp_path / "drawings"), f"against={real}", f"out={alone}", *SMALL, cached]) == 0
    assert json.loads(alone.read_text())[0]["value"] == pytest.approx(held[0]["value"], rel=1e-2)


def test_our_own_folders_are_refused_by_name_wherever_pictures_are_asked_for(
    run: Path, shards: Path, real: Path, tmp_path: Path
) -> None:
    (tmp_path / "tables").mkdir()
    for name in ("tables.md", "tables.html", "grid.png"):
        (tmp_path / "tables" / name).touch()
    (run / "samples").mkdir(exist_ok=True)
    shutil.copy(real / "0.png", run / "samples/step-0000001.png")
    cache = FeatureStore(tmp_path / "cache", {"a": 1})
    cache.save(range(2), torch.zeros(2, 3))
    ours = {
        run: "a run",
        run / "step-0000002": "a checkpoint of a run",
        run / "samples": "the sample sheets of a run",
        shards / "photos": "a shard folder",
        tmp_path / "tables": "the tables' folder",
        cache.folder: "a cache of features",
    }
    for folder, kind in ours.items():
        commands = [
            lambda folder=folder: fid.main([str(real), f"against={folder}", *SMALL]),
            lambda folder=folder: fid.main([str(run), f"against={folder}", *SMALL]),
            lambda folder=folder: cartoonize([str(run), str(folder), str(tmp_path / "drawings")]),
            lambda folder=folder: shards_of_photos([str(folder), str(tmp_path / "shards"), "image_size=32"]),
            lambda folder=folder: shards_of_photos(
                [str(real), str(tmp_path / "shards"), "image_size=32", f"saliency.external={folder}"]
            ),
        ]
        if kind not in ("a run", "a checkpoint of a run"):
            commands.append(lambda folder=folder: fid.main([str(folder), f"against={real}", *SMALL]))
        for command in commands:
            with pytest.raises(CartoonError, match=f"{folder.name}: is {kind}, no folder of pictures; (give|let)"):
                command()
    assert not (tmp_path / "drawings").exists()
