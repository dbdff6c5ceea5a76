"""A start that fails leaves no folder that counts as a run, and does not bind the next start in that folder."""

import json
from pathlib import Path

import pytest

from cartoon_dist.commands import export, report
from cartoon_dist.commands.train import main
from cartoon_dist.errors import CartoonError, CheckpointError
from cartoon_dist.files.folder_kinds import folder_kind
from tests.running import cheap


@pytest.mark.slow
@pytest.mark.parametrize(
    "cause",
    [
        "data.photos=none",
        "batch_size=64",
        "image_size=64",
        "precision=fp16",
        "init_from=none",
        # Found only when the folder holds its settings and the first pictures.
        "warmup.learning_rate=1e38",
    ],
)
def test_a_failed_start_is_no_run(shards: Path, tmp_path: Path, cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "samples").mkdir()
    (run / "samples/mine.txt").write_text("kept")
    with pytest.raises(CartoonError) as caught:
        main(cheap(shards, run, cause, "max_steps=9", "log_every=9", "warmup.steps=9"))
    assert json.loads((run / "exit.json").read_text()) == {"status": 2, "reason": str(caught.value)}
    assert folder_kind(run) is None
    assert not list(run.glob("samples/step-*"))
    assert (run / "samples/mine.txt").read_text() == "kept"
    with pytest.raises(CheckpointError):
        export.main([str(run), str(tmp_path / "g.safetensors")])
    capsys.readouterr()
    assert main(cheap(shards, run, "seed=5", "--dry-run")) == 0
    assert f"run folder: {run} (new)" in capsys.readouterr().out
    # Other settings than those of the failed start are taken.
    assert main(cheap(shards, run, "seed=5", "max_steps=1")) == 0


def test_the_first_start_that_fails_leaves_only_its_reason(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(CartoonError, match=r"is (nan|inf) at step"):
        main(cheap(shards, run, "warmup.learning_rate=1e38", "max_steps=9", "log_every=9", "warmup.steps=9"))
    assert {path.name for path in run.iterdir()} <= {"exit.json", "tensorboard"}
    with pytest.raises(CheckpointError, match="is no run folder"):
        report.main([str(run)])


def test_a_run_that_had_begun_stays_one(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(CartoonError, match=r"is (nan|inf) at step"):
        main(cheap(shards, run, "warmup.learning_rate=1e38", "max_steps=9", "log_every=1", "warmup.steps=9"))
    assert (run / "config.yaml").exists()
    assert folder_kind(run) == "a run"
