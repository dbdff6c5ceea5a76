"""Shards built by a real Slurm of two nodes: killed, stopped and requeued, the same bytes as built here."""

import os
import re
import signal
from pathlib import Path

import pytest

from cartoon_dist.files.bounded import sha256_of
from tests.running import ROOT, script
from tests.slurm.jobs import said, state, wait_for

pytestmark = pytest.mark.slurm

PHOTOS = ROOT / "shards/samples/photos"
# Large enough that a task is still at work when it is killed: at 64 px it was seen to be done a moment later.
SETTINGS = ["image_size=512", "samples_per_shard=2"]
NUM_SHARDS = 12


def wait_until_done(job: str, tasks: str, out: Path) -> None:
    """Until all tasks of the job have ended well."""
    wait_for(lambda: all(state(f"{job}_{task}") == "COMPLETED" for task in tasks), "all tasks have ended well", out)


def submitted(out: Path, *more: str) -> str:
    """The number of a job that the command has submitted."""
    words = ["shards", "photos", PHOTOS, out, "nodes=2", "cpus=1", *SETTINGS, *more]
    done = script("launch/submit.py", *words)
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(rf"{out}: job (\d+), 2 tasks for {NUM_SHARDS} shards\n", done.stdout)
    assert found, done.stdout
    return found[1]


def plainly_submitted(out: Path) -> str:
    """The number of a job that sbatch was given by hand."""
    log = out.parent / "plain-%A_%a.log"
    words = ["--array=1-2", "--cpus-per-task=1", f"--output={log}", "slurm/build_shards.sh", "photos", PHOTOS, out]
    return said("sbatch", "--parsable", *words, *SETTINGS).strip()


def held(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.is_file()}


def finished(out: Path) -> dict[str, int]:
    """What is complete, by the inode of its index."""
    return {path.name: path.stat().st_ino for path in out.glob("*.index.json")}


def processes(job: str, task: str) -> list[int]:
    """The processes of a task on this host, its workers included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            python = b"python" in (process / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        wanted = {f"SLURM_ARRAY_JOB_ID={job}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()}
        if python and wanted <= set(environment):
            found.append(int(process.name))
    return found


def index(out: Path, number: int) -> Path:
    return out / f"photo-{number:06d}.index.json"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one machine builds without Slurm."""
    out = tmp_path_factory.mktemp("local")
    done = script("shards/photos.py", PHOTOS, out, *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert len(finished(out)) == NUM_SHARDS
    return held(out)


def test_a_task_killed_in_the_middle_and_requeued(local: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = submitted(out)
    wait_for(index(out, 0).exists, "task 0 has built a shard", out)
    for process in processes(job, "0"):
        os.kill(process, signal.SIGKILL)
    before = finished(out)
    wait_for(lambda: state(f"{job}_0") == "FAILED", "the killed task has failed", out)
    assert not (out / "manifest.json").exists()
    said("scontrol", "requeue", f"{job}_0")
    wait_until_done(job, "01", out)
    assert held(out) == local
    assert before.items() <= finished(out).items()
    again = script("launch/submit.py", "shards", "photos", PHOTOS, out, "nodes=2", *SETTINGS)
    assert again.stdout.endswith("; nothing left to do\n")


def test_a_task_whose_node_is_wanted_goes_back_into_the_queue(local: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = submitted(out)
    wait_for(index(out, 6).exists, "task 1 has built a shard", out)
    said("scancel", "--signal=USR2", f"{job}_1")  # what Slurm sends before it takes a node, or when time is nearly up
    wait_until_done(job, "01", out)
    assert held(out) == local
    assert "Requeued job" in (out / f"jobs/{job}_1_0_log.out").read_text()


def test_the_plain_route_goes_on_after_a_stop(local: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = plainly_submitted(out)
    wait_for(index(out, 1).exists, "task 1 has built two shards", out)
    said("scancel", "--signal=TERM", f"{job}_1")
    wait_until_done(job, "12", out)
    assert held(out) == local
    assert "stopped; finished shards are kept" in (tmp_path / f"plain-{job}_1.log").read_text()


def test_a_cancelled_job_stays_cancelled(tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = plainly_submitted(out)
    wait_for(index(out, 0).exists, "task 1 has built a shard", out)
    said("scancel", job)
    wait_for(lambda: not said("squeue", "--noheader", "--jobs", job), "the job has left the queue", out)
    assert state(f"{job}_1") == "CANCELLED"
    assert not (out / "manifest.json").exists()


def test_a_task_that_fails_says_why_in_one_line(tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "a.jpg").write_bytes(b"no picture")
    (inputs / "b.jpg").symlink_to(PHOTOS / "bridge.jpg")
    done = script("launch/submit.py", "shards", "photos", inputs, tmp_path / "out", "cpus=1", *SETTINGS)
    assert done.returncode == 0, done.stderr
    (job,) = re.findall(r"job (\d+), 1 task", done.stdout)
    wait_for(lambda: state(job) == "FAILED", "the task has failed", tmp_path / "out")
    log = (tmp_path / f"out/jobs/{job}_0_log.err").read_text()
    assert re.search(r"^error: .*1 of 2 pictures are broken, more than max_broken=0.01: a.jpg \(.*", log, re.MULTILINE)
    assert "Traceback" not in log


def test_what_slurm_refuses_is_said(tmp_path: Path) -> None:
    done = script("launch/submit.py", "shards", "photos", PHOTOS, tmp_path / "out", "partition=nowhere", *SETTINGS)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"^error: photo-shards: Slurm refused the job: .*invalid partition", done.stderr, re.MULTILINE)
