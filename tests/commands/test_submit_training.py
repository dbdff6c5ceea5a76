"""`launch/submit.py train|fid`: what is handed to Slurm, and two processes on this machine."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartoon_dist.commands import submit
from cartoon_dist.errors import CheckpointError, ConfigError
from tests.running import LIMIT_SECONDS, ROOT, environment, helper, metrics, script, started, wait_for

GOLDEN = ROOT / "tests/golden/train-hayao.sbatch"


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def words(shards: Path, run: Path, *more: str) -> list[str]:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={run}"]
    here = ["cluster=local", "processes_per_node=2", f"weights_folder={ROOT / 'weights'}"]
    return ["train", str(ROOT / "tests/tiny.yaml"), *folders, *here, "epochs=50", *more]


def test_the_sbatch_file(request: pytest.FixtureRequest) -> None:
    asked = ["nodes=2", "gpus_per_node=4", "batch_size=8", "mem_gb=64", "partition=gpu"]
    done = script("launch/submit.py", "train", "configs/hayao.yaml", *asked, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "8 processes of 1 each" in done.stdout  # what training's own dry run says
    said, _, file = done.stdout.partition("#!/bin/bash")
    assert said.splitlines()[-1].startswith("job: 8 processes on 2 nodes, each with launch/train.py configs/hayao.yaml")
    made = f"#!/bin/bash{file}".replace(sys.executable, "PYTHON").replace(str(ROOT), "PROJECT")
    if request.config.getoption("--record"):
        GOLDEN.write_text(made)
    assert made == GOLDEN.read_text()
    assert not (ROOT / "runs/hayao/jobs").exists()


def stand_ins(folder: Path) -> dict[str, str]:
    """What is in the environment of a job 7 of Slurm's, with programs that write down how they are called."""
    for name, line in {"squeue": "echo RUNNING", "scontrol": "true"}.items():
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {folder / "calls"}\n{line}\n')
        (folder / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "CARTOON_DIST_REQUEUE": "yes"}
    return slurm | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def rank_of(process: int) -> str | None:
    """The rank of a process that submitit has started."""
    try:
        held = (Path("/proc") / str(process) / "environ").read_text().split("\0")
        started = (Path("/proc") / str(process) / "cmdline").read_text().split("\0")
    except OSError:
        return None
    found = [word.removeprefix("SUBMITIT_LOCAL_GLOBALID=") for word in held if "SUBMITIT_LOCAL_GLOBALID" in word]
    return found[0] if found and "submitit.core._submit" in started else None


def children(process: int) -> list[int]:
    tasks = Path("/proc") / str(process) / "task"
    return [int(number) for task in tasks.iterdir() for number in (task / "children").read_text().split()]


@pytest.mark.slow
def test_one_process_is_asked_and_rank_0_puts_the_job_back_once(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with started(ROOT / "launch/submit.py", *words(shards, run), **stand_ins(tmp_path)) as child:
        wait_for(run / "metrics.jsonl", child)
        ranks = {rank_of(task): task for control in children(child.pid) for task in children(control)}
        os.kill(ranks["1"], signal.SIGUSR2)
        _, told = child.communicate(timeout=LIMIT_SECONDS)
    assert child.returncode == 75, told
    assert "stopped after saving; the same command goes on" in told
    assert (tmp_path / "calls").read_text().splitlines()[1:] == ["scontrol requeue 7"]
    assert json.loads((run / "exit.json").read_text()) == {"status": 75, "reason": "signal SIGUSR2"}
    done = metrics(run)[-1]["step"]
    again = script("launch/submit.py", *words(shards, run, f"max_steps={done + 2}"))
    assert again.returncode == 0, again.stderr
    assert f"goes on after step {done}" in again.stderr  # rank 0's words are shown
    assert again.stdout == f"{run}/step-{done + 2:07d}: trained\n"


@pytest.mark.slow
def test_interrupted_it_waits_until_its_processes_have_saved(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, str(ROOT / "launch/submit.py"), *words(shards, run)]
    with subprocess.Popen(
        command, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        wait_for(run / "metrics.jsonl", child)
        os.killpg(child.pid, signal.SIGINT)  # as a terminal does; submitit's own answer is to kill after a second
        _, told = child.communicate(timeout=LIMIT_SECONDS)
    assert child.returncode == 75, told
    assert len(list(run.glob("step-*"))) == 1
    assert json.loads((run / "exit.json").read_text())["status"] == 75


@pytest.mark.slow
def test_the_users_own_limit_does_not_put_the_job_back(shards: Path, tmp_path: Path) -> None:
    asked = words(shards, tmp_path / "run", "max_hours=1e-9")
    done = helper(ROOT / "launch/submit.py", *asked, **stand_ins(tmp_path))
    assert done.returncode == 75, done.stderr
    assert "max_hours" in json.loads((tmp_path / "run/exit.json").read_text())["reason"]
    assert not (tmp_path / "calls").exists()


@pytest.mark.slow
def test_a_failure_is_told_in_rank_0s_words(shards: Path, tmp_path: Path) -> None:
    done = script("launch/submit.py", *words(shards, tmp_path / "run", "precision=fp16"))
    assert (done.returncode, done.stdout) == (2, "")
    error = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"error: task 1 of 2: precision: fp16 needs a GPU .*; the logs are in .*/run/jobs; .*", error)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [f"{ROOT}/configs/hayao.yaml", "nodes=2", "gpus_per_node=4"],
            "batch_size: 4 cannot be divided over 8 processes",
        ),
        ([f"{ROOT}/configs/hayao.yaml", "nodes=2", "cluster=local"], "nodes: cluster=local is one node"),
        ([f"{ROOT}/configs/hayao.yaml", "gpus_per_node=2", "processes_per_node=2"], "processes_per_node: is for CPUs"),
        ([f"{ROOT}/configs/hayao.yaml", "gpus=2"], "gpus: no such setting"),
        ([f"{ROOT}/configs/hayao.yaml", "node=2"], r"node: no such setting, did you mean nodes\?"),
        ([f"{ROOT}/configs/hayao.yaml", "epoch=2"], r"epoch: no such setting, did you mean epochs\?"),
        (["nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (
            [f"{ROOT}/configs/hayao.yaml", "run_dir=nowhere/new", "init_from=nowhere/run"],
            "init_from: nowhere/run: there",
        ),
    ],
)
def test_what_would_fail_on_the_nodes_is_refused_at_once(given: list[str], message: str) -> None:
    with pytest.raises((ConfigError, CheckpointError), match=message):
        submit.main(["train", *given])


def test_a_score_wants_a_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no run and no checkpoint of one"):
        submit.main(["fid", str(tmp_path), "nodes=2"])


def test_a_setting_without_effect_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit.main(["train", str(ROOT / "tests/tiny.yaml"), "at_once=2", f"run_dir={tmp_path}", "--dry-run"]) == 0
    assert capsys.readouterr().err == "warning: at_once has no effect on train\n"
