"""Which checkpoints a run keeps, and what they cost, on real training in this process."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from cartoon_dist.commands.train import main
from cartoon_dist.config.run_config import read_settings
from cartoon_dist.runs.estimate import checkpoint_bytes
from tests.running import ROOT


def words(shards: Path, run: Path, *more: str) -> list[str]:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}"]
    # Without a content loss no VGG is needed, and a step takes milliseconds.
    cheap = ["loss.content.weight=0", "warmup.loss=pixel", "checkpoint.every=1"]
    return [str(ROOT / "tests/tiny.yaml"), *folders, f"run_dir={run}", *cheap, *more]


def kept(run: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in run.glob("step-*"))


def test_the_last_the_lasting_and_the_best_by_score(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["checkpoint.keep=2", "checkpoint.keep_every=4"]
    assert main(words(shards, tmp_path, *how, "max_steps=3")) == 0
    assert kept(tmp_path) == [2, 3]
    protocol = {"weights": "ema", "photos": {"split": "test"}}
    scores = [{"metric": "fid", "step": step, "value": 100 - step, "protocol": protocol} for step in (2, 3)]
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    assert main(words(shards, tmp_path, *how, "max_steps=7")) == 0
    assert kept(tmp_path) == [3, 4, 6, 7]
    # A run whose scores are spoilt goes on, and removes nothing that may be the best.
    (tmp_path / "scores.json").write_text("[")
    assert main(words(shards, tmp_path, *how, "max_steps=8")) == 0
    assert kept(tmp_path) == [3, 4, 6, 7, 8]
    assert "scores.json: is no list of scores" in capsys.readouterr().err


def test_a_checkpoint_is_as_large_as_the_dry_run_says(shards: Path, tmp_path: Path) -> None:
    asked = words(shards, tmp_path, "max_steps=3", "warmup.steps=0")
    assert main(asked) == 0
    files = [path for path in (tmp_path / "step-0000003").glob("*.safetensors") if path.stem != "random"]
    held = [(name, tensor) for path in files for name, tensor in load_file(path).items()]
    large = sum(tensor.nbytes for name, tensor in held if not name.endswith(":step"))
    assert checkpoint_bytes(read_settings(asked)) == large
