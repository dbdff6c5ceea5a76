"""Which checkpoints stay, worked out by hand."""

import shutil
from pathlib import Path

import pytest
import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import CheckpointSettings, TrainSettings
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.retention import prune, removable_steps


@pytest.mark.parametrize(
    ("steps", "keep", "keep_every", "best", "damaged", "gone"),
    [
        ([], 1, None, None, (), []),
        ([100], 1, None, None, (), []),
        ([100, 200, 300, 400], 2, None, None, (), [100, 200]),
        ([100, 200, 300, 400], 9, None, None, (), []),
        # Every 200th is kept for ever.
        ([100, 200, 300, 400, 500], 1, 200, None, (), [100, 300]),
        # A step at which the run was asked to stop is no multiple, and is removed when it is old.
        ([100, 137, 200, 300], 1, 100, None, (), [137]),
        # The best by score, wherever it is; one that is among the last does not reduce their number.
        ([100, 200, 300, 400], 1, None, 200, (), [100, 300]),
        ([100, 200, 300, 400], 2, None, 300, (), [100, 200]),
        ([100, 200, 300, 400], 1, 300, 100, (), [200]),
        # A damaged one does not count, so the one before it is kept instead; it is removed when it is old.
        ([100, 200, 300, 400], 2, None, None, (300,), [100]),
        ([100, 200, 300, 400], 1, None, None, (200,), [100, 200, 300]),
        # A damaged one after the step from which the run resumed: the newest intact one is kept.
        ([100, 200, 900], 1, None, None, (900,), [100]),
        ([100, 900], 1, None, None, (900,), []),
        ([100, 200], 1, None, None, (100, 200), []),
    ],
)
def test_removable_steps_by_hand(
    steps: list[int], keep: int, keep_every: int | None, best: int | None, damaged: tuple[int, ...], gone: list[int]
) -> None:
    settings = CheckpointSettings(keep=keep, keep_every=keep_every)
    asked: list[int] = []

    def is_intact(step: int) -> bool:
        asked.append(step)
        return step not in damaged

    assert removable_steps(steps, settings, best=best, is_intact=is_intact) == gone
    assert len(asked) == len(set(asked)) <= keep + len(damaged)  # to check one is to read all of it
    intact = [step for step in steps if step not in damaged]
    assert not intact or max(intact) not in gone


def test_the_last_the_multiples_and_the_best_are_kept_on_disk(tmp_path: Path) -> None:
    run, intact = RunFolder(tmp_path), set[int]()
    settings = CheckpointSettings(every=1, keep=2, keep_every=4)
    for step in range(1, 10):
        checkpoint.save(run, step, {"generator": {"a": torch.ones(2)}}, {}, config="")
        prune(run, settings, best=lambda steps: 3 if 3 in steps else None, intact=intact)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-000000{step}" for step in (3, 4, 8, 9)]


def test_a_damaged_checkpoint_does_not_count_as_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2, 3):
        checkpoint.save(run, step, {"generator": {"a": torch.ones(2)}}, {}, config="")
    (run.checkpoint(2) / "generator.safetensors").write_bytes(b"")
    prune(run, CheckpointSettings(keep=2), best=lambda _: None, intact=set())
    assert checkpoint.steps(run) == [1, 2, 3]
    shutil.rmtree(run.checkpoint(2))
    prune(run, CheckpointSettings(keep=1), best=lambda _: None, intact=set())
    assert checkpoint.steps(run) == [3]


def test_unreadable_scores_remove_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2):
        checkpoint.save(run, step, {"generator": {"a": torch.ones(2)}}, {}, config="")

    def best(_: list[int]) -> int | None:
        raise CheckpointError("scores.json: is no list of scores")

    with pytest.raises(CheckpointError, match="no list"):
        prune(run, CheckpointSettings(keep=1), best=best, intact=set())
    assert checkpoint.steps(run) == [1, 2]


def test_a_keep_every_that_is_no_multiple_of_every_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"checkpoint\.keep_every: 1500 is no multiple of checkpoint\.every=1000"):
        read(TrainSettings, [], ["checkpoint.keep_every=1500"], run_dir="x")
    assert read(TrainSettings, [], ["checkpoint.keep_every=3000"], run_dir="x").checkpoint.keep_every == 3000
