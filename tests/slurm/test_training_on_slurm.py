"""Training and scores on a real Slurm of two nodes: requeued, preempted, a node lost; the same weights as in one go."""

import json
import os
import re
from pathlib import Path

import pytest
import torch

from cartoon_dist.commands import fid
from tests.running import ROOT, script, weights
from tests.slurm.cluster import bring_back, lose_node
from tests.slurm.jobs import restarts, said, state, wait_for

pytestmark = pytest.mark.slurm

STEPS = 80
EVERY = 10
SLURM = Path(os.environ.get("SLURM_CONF", "none")).parent


def words(shards: Path, run: Path, *more: str) -> list[str]:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={run}"]
    steps = [f"max_steps={STEPS}", "epochs=50", f"checkpoint.every={EVERY}", "score_at_end=false"]
    return ["tests/tiny.yaml", *folders, *steps, f"weights_folder={ROOT / 'weights'}", *more]


def submitted(shards: Path, run: Path, *more: str) -> str:
    """The number of a job that the command has submitted."""
    done = script("launch/submit.py", "train", *words(shards, run, "nodes=2", "cpus=1", *more))
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(rf"{run}: job (\d+), 2 processes on 2 nodes\n", done.stdout)
    assert found, done.stdout
    return found[1]


def plainly_submitted(script_name: str, log: Path, *given: str) -> str:
    """The number of a job that sbatch was given by hand, for two nodes without GPUs."""
    asked = ["--nodes=2", "--gpus-per-node=0", "--cpus-per-task=1", f"--output={log}"]
    return said("sbatch", "--parsable", *asked, f"slurm/{script_name}", *given).strip()


def wait_until_saved(run: Path, after: int) -> int:
    """Until the run has saved at its own interval, after a step; the step it has saved then."""
    wait_for(lambda: saved(run) >= after + EVERY, f"a checkpoint after step {after}", run)
    return saved(run)


def saved(run: Path) -> int:
    steps = [int(folder.name[5:]) for folder in run.glob("step-*") if int(folder.name[5:]) % EVERY == 0]
    return max(steps, default=0)


def wait_until_back(job: str, times: int, run: Path) -> None:
    """Until the job has been put back into the queue so often."""
    wait_for(lambda: restarts(job) == times, f"the job is put back, time {times}", run)


def wait_until_done(job: str, run: Path) -> None:
    wait_for(lambda: state(job) in ("COMPLETED", "FAILED"), "the job has ended", run)
    assert state(job) == "COMPLETED", logs(run)


def logs(run: Path) -> str:
    return "".join(log.read_text() for log in sorted((run / "jobs").glob("*_log.err")))


def left(run: Path) -> dict[str, object]:
    held: dict[str, object] = json.loads((run / "exit.json").read_text())
    return held


def assert_same(run: Path, whole: Path) -> None:
    """Every tensor bit for bit, those of the optimizers included."""
    expected, found = weights(whole, STEPS), weights(run, STEPS)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


@pytest.fixture(scope="module")
def whole(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two nodes that nothing disturbs."""
    run = tmp_path_factory.mktemp("whole") / "run"
    job = submitted(shards, run)
    wait_until_done(job, run)
    assert restarts(job) == 0
    assert "2 processes on cpu" in logs(run)
    return run


def test_requeued_preempted_and_finished(shards: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = submitted(shards, run)
    step = wait_until_saved(run, 0)
    said("scontrol", "requeue", job)
    wait_until_back(job, 1, run)
    step = wait_until_saved(run, step)
    said("sbatch", "--partition=high", "--nodes=2", "--output=/dev/null", "--wrap=true")
    wait_until_back(job, 2, run)
    assert left(run) == {"status": 75, "reason": "signal SIGUSR2"}
    assert saved(run) < STEPS
    wait_until_done(job, run)
    assert restarts(job) == 2
    assert logs(run).count(f"job {job} goes back into the queue") == 1  # Slurm did it by itself the other time
    assert logs(run).count("goes on after step") == 2
    assert_same(run, whole)


def test_a_lost_node(shards: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = submitted(shards, run)
    wait_until_saved(run, 0)
    try:
        lose_node(SLURM, "n2")
        wait_until_back(job, 1, run)
    finally:
        bring_back(SLURM, "n2")
    wait_until_done(job, run)
    assert restarts(job) == 1
    assert "goes on after step" in logs(run)
    assert_same(run, whole)


def test_the_plain_route_goes_on_after_a_stop(shards: Path, whole: Path, tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "plain.log"
    job = plainly_submitted("train_hayao.sh", log, *words(shards, run))
    wait_until_saved(run, 0)
    said("scancel", "--signal=USR2", job)  # as Slurm does before it takes the nodes, or when time is nearly up
    wait_until_back(job, 1, run)
    assert left(run) == {"status": 75, "reason": "signal SIGUSR2"}
    wait_until_done(job, run)
    assert restarts(job) == 1
    assert f"job {job} goes back into the queue" in log.read_text()
    assert_same(run, whole)


def test_a_cancelled_job_stays_cancelled(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    job = submitted(shards, run)
    wait_until_saved(run, 0)
    said("scancel", job)
    wait_for(lambda: not said("squeue", "--noheader", "--jobs", job), "the job has left the queue", run)
    assert left(run) == {"status": 75, "reason": "signal SIGTERM"}
    assert (state(job), restarts(job)) == ("CANCELLED", 0)


def test_scores_are_those_of_one_process(whole: Path, tmp_path: Path) -> None:
    features = "score.features=efficientnet_lite0"
    caches = {name: f"data.cache={tmp_path / 'caches' / name}" for name in ("together", "plain", "alone")}
    done = script("launch/submit.py", "fid", whole, features, caches["together"], "nodes=2", "cpus=1")
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(rf"{whole}: job (\d+), 2 processes on 2 nodes\n", done.stdout)
    assert found, done.stdout
    wait_until_done(found[1], whole)
    scores = {"together": whole / "scores.json"}
    for name in ("alone", "plain"):
        (tmp_path / name).mkdir()
        for part in ("config.yaml", f"step-{STEPS:07d}"):
            (tmp_path / name / part).symlink_to(whole / part)
        scores[name] = tmp_path / name / "scores.json"
    job = plainly_submitted(
        "evaluate_fid.sh", tmp_path / "plain.log", str(tmp_path / "plain"), features, caches["plain"]
    )
    wait_for(lambda: state(job) == "COMPLETED", "the job has ended", tmp_path / "plain")
    assert fid.main([str(tmp_path / "alone"), features, caches["alone"]]) == 0
    values = {name: [score["value"] for score in json.loads(path.read_text())] for name, path in scores.items()}
    assert len(values["alone"]) >= 3
    assert values["plain"] == values["together"] == values["alone"]
