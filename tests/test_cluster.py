"""What is handed to Slurm, word by word."""

import sys
from functools import partial
from pathlib import Path

import pytest
from running import ROOT

from cartoon_dist.cluster import Call, ClusterSettings, sbatch_file
from cartoon_dist.commands.entry import status_of
from cartoon_dist.errors import ConfigError

FILE = """\
#!/bin/bash

# Parameters
#SBATCH --account=films
#SBATCH --array=0-3%2
#SBATCH --cpus-per-task=16
#SBATCH --error=/data/out/jobs/%A_%a_0_log.err
#SBATCH --job-name=photo-shards
#SBATCH --mem=1536MB
#SBATCH --nodes=1
#SBATCH --open-mode=append
#SBATCH --output=/data/out/jobs/%A_%a_0_log.out
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=90
#SBATCH --wckey=submitit

# setup
. PROJECT/slurm/environment.sh

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /data/out/jobs/%A_%a_%t_log.out --error /data/out/jobs/%A_%a_%t_log.err --cpus-per-task=16 \
PYTHON -u -m submitit.core._submit /data/out/jobs
"""


def test_the_sbatch_file() -> None:
    settings = ClusterSettings(nodes=4, cpus=16, mem_gb=1.5, time_hours=1.5, at_once=2, account="films")
    made = sbatch_file(4, settings, name="photo-shards", folder=Path("/data/out/jobs"))
    assert made == FILE.replace("PYTHON", sys.executable).replace("PROJECT", str(ROOT))


def test_a_single_task_is_no_array() -> None:
    made = sbatch_file(1, ClusterSettings(), name="photo-shards", folder=Path("/data/out/jobs"))
    assert "--array" not in made


def refuse(_words: object) -> int:
    raise ConfigError("seed: no\nsuch setting")


@pytest.mark.parametrize(("command", "status"), [(lambda _: 75, 75), (partial(status_of, refuse), 2)])
def test_the_status_of_a_command_becomes_its_tasks(
    command: object, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        Call(command, ())()
    assert left.value.code == status
    assert capsys.readouterr().err == ("error: seed: no such setting\n" if status == 2 else "")


def test_a_task_that_comes_back_does_the_same_again() -> None:
    said: list[tuple[str, ...]] = []
    call = Call(lambda words: said.append(words) or 0, ("a", "1/2"))
    call()
    call.checkpoint().result()
    assert said == [("a", "1/2"), ("a", "1/2")]
