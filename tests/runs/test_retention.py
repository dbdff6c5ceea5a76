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
from cartoon_dist.runs.retention import prune, superfluous


@pytest.mark.parametrize(
    ("there", "keep", "keep_every", "best", "damaged", "gone"),
    [
        ([], 1, None, None, (), []),
        ([100], 1, None, None, (), []),
        ([100, 200, 300, 400], 2, None, None, (), [100, 200]),
        ([100, 200, 300, 400], 9, None, None, (), []),
        # Every 200th for ever, also a year later.
        ([100, 200, 300, 400, 500], 1, 200, None, (), [100, 300]),
        # A step at which the run was asked to stop is no multiple, and goes when it is old.
        ([100, 137, 200, 300], 1, 100, None, (), [137]),
        # The best by score, wherever it lies; one that is among the last takes no place from them.
        ([100, 200, 300, 400], 1, None, 200, (), [100, 300]),
        ([100, 200, 300, 400], 2, None, 300, (), [100, 200]),
        ([100, 200, 300, 400], 1, 300, 100, (), [200]),
        # A damaged one counts for nothing, so the one before it stays in its place; it goes when it is old.
        ([100, 200, 300, 400], 2, None, None, (300,), [100]),
        ([100, 200, 300, 400], 1, None, None, (200,), [100, 200, 300]),
        # A damaged one ahead of the step the run went on from: the newest whole one stays.
        ([100, 200, 900], 1, None, None, (900,), [100]),
        ([100, 900], 1, None, None, (900,), []),
        ([100, 200], 1, None, None, (100, 200), []),
    ],
)
def test_by_hand(
    there: list[int], keep: int, keep_every: int | None, best: int | None, damaged: tuple[int, ...], gone: list[int]
) -> None:
    settings = CheckpointSettings(keep=keep, keep_every=keep_every)
    asked: list[int] = []

    def is_whole(step: int) -> bool:
        asked.append(step)
        return step not in damaged

    assert superfluous(there, settings, best=best, is_whole=is_whole) == gone
    assert len(asked) == len(set(asked)) <= keep + len(damaged)  # to look at one is to read all of it
    whole = [step for step in there if step not in damaged]
    assert not whole or max(whole) not in gone


def test_the_last_the_lasting_and_the_best_stay_on_the_disk(tmp_path: Path) -> None:
    run, whole = RunFolder(tmp_path), set[int]()
    settings = CheckpointSettings(every=1, keep=2, keep_every=4)
    for step in range(1, 10):
        checkpoint.save(run, step, {"generator": {"a": torch.ones(2)}}, {}, config="")
        prune(run, settings, best=lambda there: 3 if 3 in there else None, whole=whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-000000{step}" for step in (3, 4, 8, 9)]


def test_one_that_was_damaged_since_makes_room_for_none(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2, 3):
        checkpoint.save(run, step, {"generator": {"a": torch.ones(2)}}, {}, config="")
    (run.checkpoint(2) / "generator.safetensors").write_bytes(b"")
    prune(run, CheckpointSettings(keep=2), best=lambda _: None, whole=set())
    assert checkpoint.steps(run) == [1, 2, 3]
    shutil.rmtree(run.checkpoint(2))
    prune(run, CheckpointSettings(keep=1), best=lambda _: None, whole=set())
    assert checkpoint.steps(run) == [3]


def test_unreadable_scores_remove_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2):
        checkpoint.save(run, step, {"generator": {"a": torch.ones(2)}}, {}, config="")

    def best(_: list[int]) -> int | None:
        raise CheckpointError("scores.json: is no list of scores")

    with pytest.raises(CheckpointError, match="no list"):
        prune(run, CheckpointSettings(keep=1), best=best, whole=set())
    assert checkpoint.steps(run) == [1, 2]


def test_lasting_ones_that_would_never_be_written_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"checkpoint\.keep_every: 1500 is no multiple of checkpoint\.every=1000"):
        read(TrainSettings, [], ["checkpoint.keep_every=1500"], run_dir="x")
    assert read(TrainSettings, [], ["checkpoint.keep_every=3000"], run_dir="x").checkpoint.keep_every == 3000
