"""The paper's tables with a Slurm job a run: handed over, then written by the same command."""

import re
from pathlib import Path

import pytest

from tests.running import ROOT, script
from tests.slurm.jobs import state, wait_for

pytestmark = pytest.mark.slurm


def wait_until_done(job: str, out: Path) -> None:
    wait_for(lambda: state(job) == "COMPLETED", "the job has ended", out)


def test_a_job_a_run_then_the_tables(shards: Path, tmp_path: Path) -> None:
    words = [str(shards / "photos"), str(shards / "cartoons"), str(tmp_path / "tables"), "tests/tiny.yaml"]
    words += ["score.features=efficientnet_lite0", "loss.content.layer=conv1_1", f"weights_folder={ROOT / 'weights'}"]
    words += [f"data.cache={tmp_path / 'cache'}", "max_steps=3", "warmup.steps=1", "score.subsamples=2"]
    words += ["rows=cartoongan,sal", "--submit", "nodes=1", "cpus=1"]
    done = script("launch/table.py", *words)
    assert done.returncode == 0, done.stderr
    jobs = re.findall(r"(\w+)-seed0: job (\d+), 1 process on 1 node", done.stdout)
    assert [row for row, _ in jobs] == ["cartoongan", "sal"]
    assert "not trained yet" in (tmp_path / "tables/tables.md").read_text()
    for _, job in jobs:
        wait_until_done(job, tmp_path / "tables")
    again = script("launch/table.py", *words)
    assert again.returncode == 0, again.stderr
    assert ": job " not in again.stdout
    assert again.stderr.count("is trained and scored") == 2
    lines = (tmp_path / "tables/tables.md").read_text().splitlines()
    for name in ("CartoonGAN", "CartoonGAN+Sal"):
        [line] = [line for line in lines if line.startswith(f"| {name} |")]
        assert float(line.split("|")[4].split()[0]) > 0
