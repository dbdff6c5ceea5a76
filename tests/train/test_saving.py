"""Checkpoints written behind training's back: of one moment, one at a time, and never silently lost."""

import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError, TrainingError
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.meter import Meter
from cartoon_dist.train.saving import Saver
from tests.running import LIMIT_SECONDS, environment
from tests.runs.first_format import to_first_format
from tests.train.synthetic import move_on, numbers, saver, synthetic


@pytest.fixture
def engine() -> Engine:
    return Engine(precision="fp32")


@pytest.fixture
def made(tmp_path: Path, engine: Engine) -> Callable[..., Saver]:
    return lambda *words, **more: saver(tmp_path, engine, *words, **more)


def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A disk that does not answer that it holds the bytes until the event is set; in the end it gives up."""
    answers, fsync = threading.Event(), os.fsync

    def slow(file: int) -> None:
        if not answers.wait(timeout=LIMIT_SECONDS):
            raise OSError(errno.EIO, "was never told to answer")
        fsync(file)

    monkeypatch.setattr(os, "fsync", slow)
    return answers


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)


def test_training_goes_on_before_the_checkpoint_is_there(
    made: Callable[..., Saver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = slow_disk(monkeypatch)
    state = synthetic(1)
    with made() as saving:
        saving.save(state, Meter())
        assert list(tmp_path.glob("step-*")) == []
        move_on(state, 2)  # in place, while the checkpoint of step 1 is written
        answers.set()
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000001"]
    assert numbers(tmp_path / "step-0000001") == {1.0}


def test_a_second_one_waits_for_the_first(
    made: Callable[..., Saver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, begun = slow_disk(monkeypatch), threading.Event()
    threading.Thread(target=lambda: (begun.wait(), answers.set())).start()
    state = synthetic(1)
    with made() as saving:
        saving.save(state, Meter())
        move_on(state, 2)
        begun.set()
        saving.save(state, Meter())
        assert checkpoint.integrity_error(tmp_path / "step-0000001") is None
        move_on(state, 3)
    assert [numbers(tmp_path / f"step-000000{step}") for step in (1, 2)] == [{1.0}, {2.0}]


def test_what_cannot_be_written_is_told_by_the_next_save_and_once(
    made: Callable[..., Saver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = synthetic(1)
    with made() as saving:
        saving.save(state, Meter())
        saving.writer.wait()
        full_disk(monkeypatch)
        move_on(state, 2)
        saving.save(state, Meter())
        move_on(state, 3)
        with pytest.raises(CheckpointError, match=r"step-0000002: cannot be written .*No space left"):
            saving.save(state, Meter())
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000001"]
    assert checkpoint.newest(RunFolder(tmp_path)) == (tmp_path / "step-0000001", [])


def test_what_cannot_be_written_at_the_end_is_told_at_the_end(
    made: Callable[..., Saver], monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch)
    with pytest.raises(CheckpointError, match="No space left"), made() as saving:
        saving.save(synthetic(1), Meter())


def test_an_error_of_training_is_not_hidden_and_the_checkpoint_before_it_is_there(
    made: Callable[..., Saver],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(step: int, meanwhile: Callable[[], None]) -> None:
        with made() as saving:
            saving.save(synthetic(step), Meter())
            threading.Thread(target=meanwhile).start()
            raise ZeroDivisionError

    answers = slow_disk(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        fail(1, answers.set)
    assert numbers(tmp_path / "step-0000001") == {1.0}
    full_disk(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        fail(2, lambda: None)
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith(f"warning: {tmp_path}/step-0000002: cannot be written")


def test_a_bug_of_the_writers_keeps_its_traceback(made: Callable[..., Saver]) -> None:
    with pytest.raises(ZeroDivisionError) as caught, made(best=lambda _: 1 // 0) as saving:
        saving.save(synthetic(1), Meter())
    assert "prune" in [entry.name for entry in caught.traceback]


def test_unreadable_scores_stop_nothing(
    made: Callable[..., Saver], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def best(_: list[int]) -> int:
        raise CheckpointError("scores.json: is no list of scores")

    with made("checkpoint.keep=1", best=best) as saving:
        for step in (1, 2):
            saving.save(synthetic(step), Meter())
    assert checkpoint.steps(RunFolder(tmp_path)) == [1, 2]
    assert "scores.json: is no list of scores" in capsys.readouterr().err


EXIT = """
import sys
from pathlib import Path
from cartoon_dist.train.background_writer import BackgroundWriter
BackgroundWriter().start(lambda: (sys.stdin.readline(), Path(sys.argv[1]).write_text("whole")))
print("at its end", flush=True)
"""


def test_the_interpreter_waits_for_the_writer(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", EXIT, str(tmp_path / "file")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "at its end\n"
        child.communicate("go on\n", timeout=LIMIT_SECONDS)
    assert (tmp_path / "file").read_text() == "whole"


def test_a_run_that_goes_on_draws_what_it_would_have_drawn(made: Callable[..., Saver]) -> None:
    torch.manual_seed(7)
    with made() as saving:
        saving.save(synthetic(1), Meter())
    drawn = torch.rand(3)
    torch.manual_seed(8)
    state = synthetic(0)
    found = made().resume(state, Meter())
    assert found is not None
    assert state.step == 1
    assert torch.equal(torch.rand(3), drawn)


def test_a_run_begins_with_draws_of_its_seed(tmp_path: Path, engine: Engine) -> None:
    def first(folder: str, seed: int) -> list[float]:
        torch.seed()
        assert saver(tmp_path / folder, engine, f"seed={seed}").resume(synthetic(0), Meter()) is None
        return torch.rand(3).tolist()

    assert first("a", 1) == first("b", 1) != first("c", 2)


def test_one_of_the_first_format_is_gone_on_from(
    made: Callable[..., Saver], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with made() as saving:
        saving.save(synthetic(1), Meter())
    to_first_format(tmp_path / "step-0000001")
    state = synthetic(0)
    assert made().resume(state, Meter()) == tmp_path / "step-0000001"
    assert state.step == 1
    assert "torch's random state is not in it" in capsys.readouterr().err


def test_a_checkpoint_made_with_other_settings_is_refused(made: Callable[..., Saver]) -> None:
    with made("seed=3") as saving:
        saving.save(synthetic(1), Meter())
    # In a run without settings of its own somebody has put it there, to begin from.
    assert made("seed=4").resume(synthetic(0), Meter()) is not None
    saving.run.write_config(saving.settings)
    with pytest.raises(CheckpointError, match=r"step-0000001: made with other settings \(seed: 3 -> 4\)"):
        made("seed=4").resume(synthetic(0), Meter())
    assert made("seed=3", "max_steps=9").resume(synthetic(0), Meter()) is not None


def test_it_holds_its_settings_under_a_hash(made: Callable[..., Saver], tmp_path: Path) -> None:
    with made("seed=3") as saving:
        saving.save(synthetic(1), Meter())
    folder = tmp_path / "step-0000001"
    assert read(TrainSettings, [folder / "config.yaml"], []).seed == 3
    assert checkpoint.read_manifest(folder)["files"]["config.yaml"] == sha256_of(folder / "config.yaml")


def test_weights_that_are_not_finite_are_not_saved_though_every_figure_was(
    made: Callable[..., Saver], tmp_path: Path
) -> None:
    state = synthetic(1)
    with made() as saving:
        saving.save(state, Meter())
        move_on(state, 2)
        state.ema.state_dict()["weight"][0, 3] = torch.inf
        with pytest.raises(TrainingError, match=r"ema: weight is not finite after step 2; no checkpoint of it"):
            saving.save(state, Meter())
    assert checkpoint.steps(RunFolder(tmp_path)) == [1]


def test_a_checkpoint_that_holds_them_is_not_gone_on_from(made: Callable[..., Saver], tmp_path: Path) -> None:
    with made() as saving:
        saving.save(synthetic(1), Meter())
    held = checkpoint.load(tmp_path / "step-0000001")
    facts = checkpoint.read_manifest(tmp_path / "step-0000001")
    held["optimizer-generator"]["weight:exp_avg"][0, 0] = torch.nan
    shutil.rmtree(tmp_path / "step-0000001")
    facts = {name: facts[name] for name in ("data", "scalers", "pending", "world_size")}
    checkpoint.save(saving.run, 1, held, facts, config="")
    with pytest.raises(CheckpointError, match=r"step-0000001: optimizer-generator: weight:exp_avg holds numbers that"):
        made().resume(synthetic(0), Meter())


def test_what_was_warmed_up_alone_says_so(made: Callable[..., Saver], tmp_path: Path) -> None:
    with made(warmup_steps=1) as saving:
        for step in (1, 2):
            saving.save(synthetic(step), Meter())
    phases = [checkpoint.read_manifest(tmp_path / f"step-000000{step}").get("phase") for step in (1, 2)]
    assert phases == ["warmup", None]
