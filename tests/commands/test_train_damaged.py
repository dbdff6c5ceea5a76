"""Training on a set with damaged samples, as a user starts it: on two processes, over the limit, and on again."""

import json
import shutil
from pathlib import Path

import pytest

from tests.data.shard_folders import damage_samples, rewrite_records
from tests.running import ROOT, metrics, train

pytestmark = pytest.mark.slow


def test_damaged_samples_are_replaced_told_once_and_counted_up_to_the_limit(shards: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    keys = damage_samples(copied / "photos", "photo", [1, 6, 11, 16])
    rewrite_records(
        copied / "photos"
    )  # as a set that was built elsewhere may be: its hashes are right, a picture is none
    run = tmp_path / "run"
    cheap = ("loss.content.weight=0", "warmup.loss=pixel", "data.num_workers=1", "max_steps=12")
    places = [f"data.photos={copied / 'photos'}", f"data.cartoons={copied / 'cartoons'}", f"run_dir={run}"]
    words = [ROOT / "tests/tiny.yaml", *places, *cheap]
    stopped = train([*words, "data.max_damaged=2"], num_processes=2)
    errors = [line for line in stopped.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "damaged samples are more than data.max_damaged=2: " in errors[0]
    left = json.loads((run / "exit.json").read_text())
    assert left["status"] == 2
    assert f"error: {left['reason']}" == errors[0]
    [saved] = run.glob("step-*")
    step = int(saved.name[5:])
    assert metrics(run)[-1]["step"] == step
    assert 0 < step < 12

    again = train(words, num_processes=2)
    assert again.returncode == 0, again.stderr
    assert f"goes on after step {step}" in again.stderr
    said = [line for line in again.stderr.splitlines() if "stands in for it" in line]
    named = [next(key for key in keys if f"'{key}'" in line) for line in said]
    assert len(set(named)) == len(named) > 0
    assert metrics(run)[-1]["damaged"] == len(named)
    counts = [record.get("damaged", 0) for record in metrics(run)[step:]]
    assert counts == sorted(counts)
