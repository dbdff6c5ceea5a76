"""Trainings that are followed, as a user types them: stopped, gone on with on two processes, scored; offline."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from cartoon_dist.commands.train import main as train_main
from cartoon_dist.errors import ConfigError
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.trackers.sent_values import figures_of
from tests.running import LIMIT_SECONDS, ROOT, cheap, metrics, script, started, train, wait_for
from tests.train.trackers.followed import figures_at, keep_local, pictures_at, progress_of

SCORER = ROOT / "weights/efficientnet-lite0-57934424.pth"


@pytest.mark.slow
def test_a_training_that_is_stopped_goes_on_in_the_same_run_and_its_scores_go_there(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, store = RunFolder(tmp_path / "run"), tmp_path / "store"
    keep_local(monkeypatch, store)
    words = cheap(shards, run.root, "track=trackio", "checkpoint.every=2", "epochs=100000")
    with started(ROOT / "launch/train.py", *words, "max_steps=100000") as child:
        wait_for(store / "trackio/cartoon_dist.db", child)
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(LIMIT_SECONDS) == 75
    name = progress_of(run, "trackio")["name"]
    stopped = metrics(run.root)[-1]["step"]
    done = train([*words, f"max_steps={stopped + 3}", f"sample_every={stopped + 3}"], num_processes=2)
    assert done.returncode == 0, done.stderr
    assert f"trackio: run {name} of project cartoon_dist" in done.stderr
    assert f"{run.report} shows how it goes; or type: tensorboard --logdir {run.root}\n" in done.stderr
    assert "warning: " not in done.stderr
    records = metrics(run.root)
    assert [record["step"] for record in records] == list(range(1, stopped + 4))
    everything = [(record["step"], *figure) for record in records for figure in figures_of(record).items()]
    # Sets: on a machine that is slow enough, the first training left its tracker before that was done, and a row that
    # was on its way is there twice.
    assert set(figures_at("trackio", run, store)) == set(everything)
    drawn = [path.read_bytes() for path in run.sample(0).parent.iterdir()]
    assert set(pictures_at("trackio", run, store)) == set(drawn)

    if not SCORER.exists():
        pytest.skip("weights/ lacks efficientnet_lite0; make weights fetches it")
    scorer = ["score.features=efficientnet_lite0", "score.content=false", f"weights_folder={ROOT / 'weights'}"]
    scored = script("launch/fid.py", run.root, *scorer)
    assert scored.returncode == 0, scored.stderr
    [value] = re.findall(r"frechet_efficientnet_lite0 ([\d.]+)", scored.stdout)
    [sent] = [
        (step, number)
        for step, name, number in figures_at("trackio", run, store)
        if name == "score/frechet_efficientnet_lite0/ema/test"
    ]
    assert sent == (stopped + 3, pytest.approx(float(value), rel=1e-3))


def test_a_library_that_is_missing_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    words = [
        str(ROOT / "tests/tiny.yaml"),
        f"run_dir={tmp_path / 'run'}",
        "track=[wandb,mlflow]",
        "track_project=films",
    ]
    assert train_main(["--dry-run", *words]) == 0
    said = capsys.readouterr()
    told = "mlflow is not installed; type: pip install 'cartoon-dist[mlflow]'"
    assert said.err == f"warning: {told}\n"
    assert "followed in wandb, mlflow: project films\n" in said.out
    with pytest.raises(ConfigError, match=re.escape(told)):
        train_main(words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("track=[tensorboard]", "track.0: Input should be 'wandb', 'mlflow' or 'trackio'"),
        ("track=3", "track: Input should be a valid tuple"),
        ("track_project=a/b", "track_project: String should match pattern"),
    ],
)
def test_what_is_no_tracker_is_refused(word: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(error)):
        train_main(["--dry-run", str(ROOT / "tests/tiny.yaml"), f"run_dir={tmp_path}", word])
