"""A run folder resumes only with the settings it was made with."""

import json
from pathlib import Path

import pytest

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs.layout import RunFolder


def settings(root: Path, *words: str) -> TrainSettings:
    return read(TrainSettings, [], words, run_dir=str(root))


def test_the_same_settings_are_accepted(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.check_same(settings(tmp_path))
    run.write_config(settings(tmp_path, "max_steps=3"))
    run.check_same(settings(tmp_path, "max_steps=9", "log_every=2", "data.photos=elsewhere", "checkpoint.keep=7"))


def test_other_settings_are_refused_with_the_difference(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_config(settings(tmp_path))
    with pytest.raises(CheckpointError) as caught:
        run.check_same(settings(tmp_path, "loss.content.weight=3", "seed=1"))
    assert "loss.content.weight: 0.25 -> 3.0" in str(caught.value)
    assert "seed: 0 -> 1" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"seed: [", b"- 1", b"colour: red"])
def test_a_damaged_config_is_named(tmp_path: Path, content: bytes) -> None:
    run = RunFolder(tmp_path)
    run.config.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        run.check_same(settings(tmp_path))


def test_the_exit_status_and_reason_are_recorded(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "new")
    run.write_exit(75, "signal SIGTERM")
    assert json.loads(run.exit.read_text()) == {"status": 75, "reason": "signal SIGTERM"}
    assert [path.name for path in run.root.iterdir()] == ["exit.json"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b'{"status": 75, "reason": "SIGTERM"}', 75),
        (b"\xff", None),
        (b"[75]", None),
        (b'{"status": "75"}', None),
        (b"[" * 9999, None),
    ],
)
def test_the_recorded_exit_status_is_read(tmp_path: Path, content: bytes, status: int | None) -> None:
    run = RunFolder(tmp_path)
    assert run.exit_status() is None
    run.exit.write_bytes(content)
    assert run.exit_status() == status


def test_a_config_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    run, settings = RunFolder(tmp_path), TrainSettings(run_dir="x")
    run.config.mkdir()
    with pytest.raises(CheckpointError, match=r"config\.yaml: cannot be read"):
        run.check_same(settings)
    with pytest.raises(CheckpointError, match=r"config\.yaml: cannot be written"):
        run.write_config(settings)
