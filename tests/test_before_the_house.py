"""What the code wrote before its modules moved into rooms (commit 4eb22a0) is read after it, and written the same.

tests/golden/before_the_house holds shards of four photos and four cartoons, a run of two steps in fp64 with its
checkpoint, an export in fp32, and under expected/ what the same code made of them. On the machine that made these
files everything is equal to the bit. Other processors add in another order; a processor's smaller instruction sets
moved the losses by 1e-14 of their value, the weights' sums by 7e-11 and no pixel, so the tests allow 1e-12, 1e-9 and 1.
"""

import hashlib
import json
import math
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.runs.networks_from_config import build_networks
from tests.running import ROOT, metrics, script, train, weights

BEFORE = ROOT / "tests/golden/before_the_house"
EXPECTED = BEFORE / "expected"
NUMBERS = json.loads((EXPECTED / "numbers.json").read_text(encoding="utf-8"))
CLOCKS = {"images_per_second", "data_wait_fraction", "save_wait_fraction"}
LOSS_TOLERANCE = 1e-12
WEIGHT_TOLERANCE = 1e-9
SCORE_TOLERANCE = 1e-4
"""Features are computed in fp32."""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A copy of all files, as commands write beside what they read."""
    return Path(shutil.copytree(BEFORE, tmp_path / "before"))


def settings(before: Path) -> list[str]:
    """Where the copy's shards are: the run's config.yaml names the folders of the machine that made it."""
    return [
        f"data.photos={before / 'photos'}",
        f"data.cartoons={before / 'cartoons'}",
        f"data.cache={before / 'cache'}",
        f"weights_folder={ROOT / 'weights'}",
    ]


def pixels(path: Path) -> NDArray[np.int16]:
    with Image.open(path) as picture:
        return np.asarray(picture, dtype=np.int16)


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def assert_close(values: object, expected: object, tolerance: float) -> None:
    """Fractions are equal within a relative tolerance, all else exactly."""
    if isinstance(expected, dict) and isinstance(values, dict):
        assert values.keys() == expected.keys()
        for name, value in expected.items():
            assert_close(values[name], value, tolerance)
    elif isinstance(expected, list) and isinstance(values, list):
        for value, one in zip(values, expected, strict=True):
            assert_close(value, one, tolerance)
    else:
        assert values == (pytest.approx(expected, rel=tolerance) if isinstance(expected, float) else expected)


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["photos", "cartoons"])
def test_shards_are_verified(before: Path, domain: str) -> None:
    verified = script("shards/verify.py", before / domain)
    assert verified.returncode == 0, verified.stderr


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["photos", "cartoons"])
def test_shards_are_built_with_the_same_bytes(tmp_path: Path, domain: str) -> None:
    names = [entry["name"] for entry in json.loads((BEFORE / domain / "job.json").read_text("utf-8"))["pictures"]]
    (tmp_path / "in").mkdir()
    for name in names:
        shutil.copy(ROOT / "shards/samples" / domain / name, tmp_path / "in" / name)
    out = tmp_path / "out"
    built = script(f"shards/{domain}.py", tmp_path / "in", out, "image_size=32", "num_workers=1")
    assert built.returncode == 0, built.stderr
    for path in sorted((BEFORE / domain).iterdir()):
        if path.name == "job.json":
            jobs = [json.loads(one.read_text("utf-8")) for one in (path, out / path.name)]
            # The folder of the pictures is this machine's own; the other is a hash of the file.
            assert without(jobs[0], "root", "own_sha256") == without(jobs[1], "root", "own_sha256")
        else:
            assert path.read_bytes() == (out / path.name).read_bytes(), path.name
    sheet = hashlib.sha256((out / "contact-sheet.png").read_bytes()).hexdigest()
    assert sheet == NUMBERS["contact_sheet_sha256"][domain]


@pytest.mark.slow
def test_run_goes_on_with_the_same_losses_and_weights(before: Path) -> None:
    run = before / "run"
    trained = train([run / "config.yaml", *settings(before), f"run_dir={run}", "max_steps=4"])
    assert trained.returncode == 0, trained.stderr
    assert "goes on after step 2" in trained.stderr
    records = [without(record, *CLOCKS) for record in metrics(run)]
    expected = [json.loads(line) for line in (EXPECTED / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert_close(records, expected, LOSS_TOLERANCE)
    tensors = weights(run, 4)
    sums = {
        network: math.fsum(
            weight
            for name, tensor in tensors.items()
            if name.startswith(f"{network}/")
            for weight in tensor.abs().flatten().tolist()
        )
        for network in NUMBERS["absolute_sum_of_weights_after_step_4"]
    }
    assert sums == pytest.approx(NUMBERS["absolute_sum_of_weights_after_step_4"], rel=WEIGHT_TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "expected"), [("run", "drawn.png"), ("export.safetensors", "drawn-by-export.png")])
def test_checkpoint_and_export_draw_the_same_picture(before: Path, model: str, expected: str) -> None:
    with tarfile.open(before / "photos/photo-000000.tar") as shard:
        member = shard.extractfile("000003-citrus-fruits.photo.png")
        assert member is not None
        (before / "photo.png").write_bytes(member.read())
    drew = script("launch/cartoonize.py", before / model, before / "photo.png", before / "drawn.png")
    assert drew.returncode == 0, drew.stderr
    difference = pixels(before / "drawn.png") - pixels(EXPECTED / expected)
    assert np.abs(difference).max() <= 1


@pytest.mark.slow
def test_checkpoint_is_exported_as_it_was_trained(before: Path) -> None:
    # The copy as working folder: config.yaml names the shards, whose photos are drawn to compare, by relative paths.
    exported = script("launch/export.py", before / "run", before / "again.safetensors", cwd=before)
    assert exported.returncode == 0, exported.stderr
    assert "step 2, ema" in exported.stdout


@pytest.mark.slow
def test_checkpoint_gets_the_same_scores(before: Path) -> None:
    run = before / "run"
    options = ["score.features=efficientnet_lite0", "score.photos=train"]
    scored = script("launch/fid.py", run, *options, *settings(before))
    assert scored.returncode == 0, scored.stderr
    files = (run / "scores.json", EXPECTED / "scores.json")
    scores, expected = (json.loads(path.read_text("utf-8")) for path in files)
    for record in [*scores, *expected]:
        del record["protocol"]["versions"]  # another release of a library is no difference here
    assert_close(scores, expected, SCORE_TOLERANCE)


@pytest.mark.parametrize("name", sorted(NUMBERS["num_parameters"]))
def test_networks_have_as_many_parameters(name: str) -> None:
    files = [ROOT / "configs/hayao.yaml", *([] if name == "hayao" else [ROOT / f"configs/{name}.yaml"])]
    settings = read(TrainSettings, files, ["run_dir=run", "data.photos=photos", "data.cartoons=cartoons"])
    with torch.device("meta"):
        networks = build_networks(settings)
    counts = {part: sum(one.numel() for one in network.parameters()) for part, network in networks.items()}
    assert counts == NUMBERS["num_parameters"][name]
