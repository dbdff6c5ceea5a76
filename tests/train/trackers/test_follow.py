"""Runs followed in wandb, mlflow and trackio, each offline, by the real libraries."""

import json
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.locks import lock_file
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.run_log import RunLog
from cartoon_dist.train.trackers import follow
from cartoon_dist.train.trackers.follow import Followers, require_installed, send_what_is_new
from cartoon_dist.train.trackers.progress import progress_file
from cartoon_dist.train.trackers.sent_values import settings_to_send
from tests.running import LIMIT_SECONDS, ROOT, started, wait_for
from tests.train.trackers.followed import (
    KEY,
    TRACKERS,
    figures_at,
    keep_local,
    pictures_at,
    progress_of,
    settings_of,
    train_some,
    wandb_records,
    write_score,
    write_step,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    keep_local(monkeypatch, tmp_path / "store")
    monkeypatch.setattr(follow, "END_SECONDS", float(LIMIT_SECONDS))
    return tmp_path / "store"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "first")


def expected(steps: range) -> list[tuple[int, str, float]]:
    return sorted(row for step in steps for row in [(step, "images", 4 * step), (step, "loss/content", 0.5 / step)])


@pytest.fixture(params=TRACKERS)
def tracker(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_a_run_that_is_killed_goes_on_and_is_scored_is_one_run_without_anything_twice(
    tracker: str, run: RunFolder, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", KEY)
    monkeypatch.setenv("TRACKIO_WRITE_TOKEN", KEY)
    train_some(run, [tracker], range(1, 6), max_steps=5)
    assert figures_at(tracker, run, store) == expected(range(1, 6))
    first = progress_of(run, tracker)
    # Its last checkpoint was that of step 3: steps 4 and 5 are done again.
    train_some(run, [tracker], range(4, 9), max_steps=8)
    # Scored by launch/fid.py, at a step that is not the last.
    write_score(run, 171.25, step=5)
    send_what_is_new(run)
    assert figures_at(tracker, run, store) == sorted([*expected(range(1, 9)), (5, "score/fid/ema/test", 171.25)])
    drawn = [run.sample(step).read_bytes() for step in range(1, 9)]
    assert sorted(pictures_at(tracker, run, store)) == sorted(drawn)
    last = progress_of(run, tracker)
    assert (last["id"], last["name"], last["step"], len(last["scores"])) == (first["id"], first["name"], 8, 1)
    said = capsys.readouterr().err
    assert "warning" not in said
    assert said.count(f"{run.root}: {tracker}: run {first['name']} of project cartoon_dist") == 3
    {"wandb": check_wandb, "mlflow": check_mlflow, "trackio": check_trackio}[tracker](run, store)
    kept = b"".join(
        path.read_bytes() for path in [*(run.root / "trackers").rglob("*"), *store.rglob("*")] if path.is_file()
    )
    assert b"photos" in kept
    assert b"somebody" not in kept
    assert b"s3://bucket" not in kept
    assert KEY.encode() not in kept
    assert KEY not in said


def check_wandb(run: RunFolder, _store: Path) -> None:
    """wandb's rows rise by one, over all three times; its charts are drawn over the step of training."""
    records = list(wandb_records(run))
    assert [record.history.step.num for record in records if record.HasField("history")] == list(range(17))
    begun = [record.run for record in records if record.HasField("run")]
    assert {each.run_id for each in begun} == {progress_of(run, "wandb")["id"]}
    assert [(each.project, each.display_name, each.resume) for each in begun] == [("cartoon_dist", "first", True)] * 3
    over = {record.metric.glob_name: record.metric.step_metric for record in records if record.HasField("metric")}
    assert over["*"] == "step"
    config = {update.key: update.value_json for record in records for update in record.config.update}
    assert (config["data.photos"], config["run_dir"], config["max_steps"]) == ('"photos"', '"first"', "8")


def check_mlflow(_run: RunFolder, store: Path) -> None:
    """mlflow has the settings that the run began with, and tags for those that changed."""
    [folder] = (path.parent for path in (store / "mlflow").glob("*/*/params"))
    assert (folder / "params/data.cartoons").read_text() == "cartoons"
    assert (folder / "params/max_steps").read_text() == "5"
    assert (folder / "tags/setting.max_steps").read_text() == "8"
    assert [path.name for path in (folder / "tags").glob("setting.*")] == ["setting.max_steps"]
    assert (folder / "tags/mlflow.runName").read_text() == "first"
    assert "status: 3" in (folder / "meta.yaml").read_text()  # finished


def check_trackio(run: RunFolder, store: Path) -> None:
    """trackio has the settings of the last time, and nothing of ours beside them."""
    with closing(sqlite3.connect(store / "trackio/cartoon_dist.db")) as database:
        [(name, config)] = database.execute("select run_name, config from configs").fetchall()
    assert name == progress_of(run, "trackio")["name"]
    config = {key: value for key, value in json.loads(config).items() if key[0] != "_"}
    assert config == settings_to_send(settings_of(run, ["trackio"], max_steps=8))


@pytest.mark.usefixtures("store")
def test_mlflow_without_an_address_takes_a_database_here(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    monkeypatch.chdir(tmp_path)
    train_some(run, ["mlflow"], range(1, 3))
    assert "warning" not in capsys.readouterr().err
    assert progress_of(run, "mlflow")["step"] == 2
    assert (tmp_path / "mlflow.db").is_file()


def test_a_tracker_that_fails_is_told_once_and_has_all_of_it_later(
    run: RunFolder, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:  # bound, not listening: who connects is refused
        closed.bind(("127.0.0.1", 0))
        address = f"http://me:opensesame@127.0.0.1:{closed.getsockname()[1]}"
        with monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", address)
            train_some(run, ["mlflow"], range(1, 4))
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {run.root}: mlflow: MlflowException: ")
    assert line.endswith("the run folder has all of it, and what is missing is sent later")
    assert "opensesame" not in line
    train_some(run, ["mlflow"], range(4, 6))
    assert "warning" not in capsys.readouterr().err
    assert figures_at("mlflow", run, store) == expected(range(1, 6))


@pytest.mark.usefixtures("store")
def test_a_server_that_never_answers_is_left_at_the_limit(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(follow, "STOP_SECONDS", 0.0)
        prepare(run, "mlflow")
        log = RunLog(run, step=0)
        with Followers(run, ["mlflow"]) as log.followers:
            asking, _ = silent.accept()  # the process is there, and waits for an answer
            write_step(run, log, 1)
            log.followers.stopping = True
            child = log.followers._followers[0]._child
        log.close()
        asking.close()
    assert child.returncode == -signal.SIGKILL
    assert "has not taken everything in time" in capsys.readouterr().err
    assert run.metrics.read_text().count("\n") == 1


def test_signals_to_the_whole_job_do_not_reach_it_and_nobody_waits_for_it(run: RunFolder, store: Path) -> None:
    prepare(run, "trackio")
    log = RunLog(run, step=0)
    with Followers(run, ["trackio"]) as log.followers:
        child = log.followers._followers[0]._child
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2):
            os.kill(child.pid, number)  # in the first moments of its life
        os.kill(child.pid, signal.SIGSTOP)
        for step in range(1, 4):
            write_step(run, log, step)
        for _ in range(100_000):  # more than a pipe holds
            log.followers.notify()
        os.kill(child.pid, signal.SIGCONT)
    log.close()
    assert child.returncode == 0
    assert figures_at("trackio", run, store) == expected(range(1, 4))


@pytest.mark.usefixtures("store")
def test_a_process_that_dies_costs_a_warning(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(run, "trackio")
    log = RunLog(run, step=0)
    with Followers(run, ["trackio"]) as log.followers:
        child = log.followers._followers[0]._child
        child.kill()
        child.wait()
        write_step(run, log, 1)
        write_step(run, log, 2)
    log.close()
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"warning: {run.root}: trackio: its process ended with status -9; training goes on without it"


def test_when_training_is_killed_the_rest_is_sent_and_the_run_looks_killed(run: RunFolder, store: Path) -> None:
    prepare(run, "mlflow")
    with started(Path(__file__).parent / "killed_run.py", run.root, PYTHONPATH=str(ROOT)) as child:
        assert child.stdout.readline() == "done\n"
        wait_for(progress_file(run, "mlflow"), child)
        child.kill()
        child.wait(LIMIT_SECONDS)
    # The lock is free when the process that follows the run has ended.
    with lock_file(progress_file(run, "mlflow"), CheckpointError, seconds=LIMIT_SECONDS):
        assert figures_at("mlflow", run, store) == expected(range(1, 4))
    [meta] = (store / "mlflow").glob("*/*/meta.yaml")
    assert "status: 4" in meta.read_text()  # failed


@pytest.mark.usefixtures("store")
def test_while_a_run_is_followed_a_score_is_left_to_that_process(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(run, "trackio")
    with lock_file(progress_file(run, "trackio"), CheckpointError):
        send_what_is_new(run)
    assert "trackio: another process follows this run and sends what is new" in capsys.readouterr().err


@pytest.mark.usefixtures("store")
def test_damaged_progress_is_named_and_kept(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    progress_file(run, "trackio").parent.mkdir(parents=True)
    progress_file(run, "trackio").write_text('{"project": 3')
    train_some(run, ["trackio"], range(1, 3))
    assert "trackio.json is damaged; remove it, and a new run is begun there" in capsys.readouterr().err
    assert progress_file(run, "trackio").read_text() == '{"project": 3'


def test_a_missing_library_is_named_with_what_to_type(tracker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_installed(TRACKERS)
    monkeypatch.setitem(sys.modules, tracker, None)
    with pytest.raises(
        ConfigError, match=rf"{tracker} is not installed; type: pip install 'cartoon-dist\[{tracker}\]'"
    ):
        require_installed(TRACKERS)


def prepare(run: RunFolder, tracker: str) -> None:
    run.root.mkdir(parents=True)
    run.write_config(settings_of(run, [tracker]))
