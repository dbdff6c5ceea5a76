"""`launch/submit.py` on one machine: tasks side by side build what one command builds; what fails is named."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cartoon_dist.commands import submit
from cartoon_dist.data.format.manifest import index_path
from cartoon_dist.errors import ClusterError
from tests.running import LIMIT_SECONDS, ROOT, environment, script, wait_for

CARTOONS = ROOT / "shards/samples/cartoons"
SETTINGS = ["image_size=32", "samples_per_shard=4"]


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_local_tasks_build_what_one_command_builds(tmp_path: Path) -> None:
    words = ["shards", "cartoons", CARTOONS, tmp_path / "tasks", "cluster=local", "nodes=2", *SETTINGS, "dedup=true"]
    done = script("launch/submit.py", *words)
    assert done.returncode == 0, done.stderr
    alone = script("shards/cartoons.py", CARTOONS, tmp_path / "alone", *SETTINGS, "dedup=true")
    assert alone.returncode == 0, alone.stderr
    assert done.stdout == alone.stdout.replace("alone", "tasks")
    assert held(tmp_path / "tasks") == held(tmp_path / "alone")
    assert len(list((tmp_path / "tasks/jobs").glob("*_log.err"))) == 2
    again = script("launch/submit.py", *words)
    assert again.stdout == done.stdout.replace("skipped\n", "skipped; nothing left to do\n")
    assert len(list((tmp_path / "tasks/jobs").glob("*_log.err"))) == 2


@pytest.mark.slow
def test_a_failed_task_is_named_with_its_own_words(tmp_path: Path) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    for name in ("a", "b", "c"):
        (inputs / f"{name}.jpg").symlink_to(CARTOONS / "club.jpg")
    (inputs / "d.jpg").write_bytes(b"no picture")
    words = ["shards", "cartoons", inputs, out, "cluster=local", "nodes=2", "image_size=32", "samples_per_shard=2"]
    done = script("launch/submit.py", *words)
    assert (done.returncode, done.stdout) == (2, "")
    error = done.stderr.splitlines()[-1]
    assert re.fullmatch(
        rf"error: task 2 of 2: .*: 1 of 4 pictures are broken, .* the logs are in {out}/jobs; .*", error
    )
    assert "Traceback" not in done.stderr
    (inputs / "e.psd").touch()
    mended = script("launch/submit.py", *words, "max_broken=0.25")
    assert mended.returncode == 0, mended.stderr
    assert mended.stdout.endswith(": 3 cartoons in 2 shards (2 train, 1 test), 1 skipped, not taken: 1 .psd\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_ends_its_tasks_and_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    words = ["shards", "photos", ROOT / "shards/samples/photos", out, "cluster=local", "nodes=2", "image_size=64"]
    command = [sys.executable, ROOT / "launch/submit.py", *words, "samples_per_shard=1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*map(str, command)], env=environment(), **pipes) as job:
        wait_for(index_path(out, "photo-000000.tar"), job)
        job.send_signal(number)
        printed = job.communicate(timeout=LIMIT_SECONDS)
    assert (job.returncode, printed[0]) == (75, ""), printed[1]
    assert "stopped; finished shards are kept, the same command goes on" in printed[1]
    assert not (out / "manifest.json").exists()
    done = script("launch/submit.py", *words, "samples_per_shard=1")  # refused if a task still held its shards
    assert done.returncode == 0, done.stderr


def test_a_dry_run_shows_the_sbatch_file_and_writes_nothing(tmp_path: Path) -> None:
    words = ["shards", "cartoons", CARTOONS, tmp_path / "out", "nodes=40", "partition=cpu", *SETTINGS, "--dry-run"]
    done = script("launch/submit.py", *words)
    assert done.returncode == 0, done.stderr
    assert "tasks: 6, each with num_workers=8" in done.stdout  # no task without a shard
    assert {"#SBATCH --array=0-5%6", "#SBATCH --partition=cpu", "#SBATCH --requeue"} <= set(done.stdout.splitlines())
    assert not (tmp_path / "out").exists()


def test_without_slurm_it_says_where_to_run(tmp_path: Path) -> None:
    command = [sys.executable, "launch/submit.py", "shards", "cartoons", CARTOONS, tmp_path / "out", *SETTINGS]
    nowhere = {**environment(), "PATH": os.fspath(tmp_path)}
    done = subprocess.run([*map(str, command)], cwd=ROOT, env=nowhere, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("error: cluster=slurm: there is no sbatch here; ")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nodes=0", "nodes: Input should be greater than or equal to 1"),
        ("cluster=cloud", "cluster: Input should be 'slurm' or 'local'"),
        ("gpus=1", "gpus: no such setting"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(tmp_path: Path, word: str, message: str) -> None:
    done = script("launch/submit.py", "shards", "cartoons", CARTOONS, tmp_path / "out", word)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"error: {message}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["out\ntouch PWN", "out\x1b[2J", "100%"])
def test_a_folder_that_breaks_out_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    for more in ([], ["--dry-run"], ["cluster=local"]):
        with pytest.raises(ClusterError):
            submit.main(["shards", "cartoons", str(CARTOONS), str(tmp_path / name), *more])
    assert not list(tmp_path.iterdir())
