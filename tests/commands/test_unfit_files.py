"""Named pipes, devices and files without an end, in the place of every file that a command reads: one line, no wait."""

import os
import shutil
from pathlib import Path

import pytest

from cartoon_dist import pretrained
from cartoon_dist.commands import fid, report, train, verify
from cartoon_dist.commands import weights as weights_command
from cartoon_dist.commands.main import EXIT_DONE, EXIT_USER_ERROR, status_of
from cartoon_dist.commands.shards import cartoons
from cartoon_dist.errors import CheckpointError, ShardError, WeightsError
from cartoon_dist.metrics import score_file
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.run_log import RunLog

KINDS = ("pipe", "zero", "huge")
RECORDS = ("config.yaml", "metrics.jsonl", "scores.json", "exit.json")


def put(path: Path, kind: str) -> Path:
    """Something of the kind in the place of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 42)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_config(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = put(tmp_path / "a.yaml", kind)
    assert status_of(train.main, [str(config), "--dry-run"]) == EXIT_USER_ERROR
    [line] = capsys.readouterr().err.splitlines()
    assert str(config) in line


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["config.yaml", "metrics.jsonl", "scores.json", "exit.json", "samples/step-0000001.png"]
)
def test_a_report_of_a_run(tmp_path: Path, kind: str, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text("run_dir: x\n")
    put(run / name, kind)
    assert report.main([str(run)]) == 0
    assert (run / "report.html").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_the_scores_of_a_run(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CheckpointError, match=r"scores\.json: cannot be read .*; move it away and score again"):
        score_file.read_scores(put(tmp_path / "scores.json", kind))


@pytest.mark.parametrize("kind", ["pipe", "zero"])
def test_the_log_of_a_run(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = put(tmp_path / "metrics.jsonl", kind)
    log = RunLog(RunFolder(tmp_path), step=0)
    log.record({"step": 1})
    log.close()
    [line] = [line for line in capsys.readouterr().err.splitlines() if "metrics.jsonl" in line]
    assert line.startswith(f"warning: {metrics}: cannot be used (")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_to_score(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    put(run / "config.yaml", kind)
    assert status_of(fid.main, [str(run)]) == EXIT_USER_ERROR
    assert [line[:6] for line in capsys.readouterr().err.splitlines()] == ["error:"]


@pytest.mark.parametrize("kind", KINDS)
def test_weights(tmp_path: Path, kind: str) -> None:
    put(tmp_path / pretrained.known_weights("vgg16").file, kind)
    with pytest.raises(WeightsError, match=r"python launch/weights.py fetch vgg16"):
        pretrained.resolve("vgg16", tmp_path)
    assert pretrained.file_state("vgg16", tmp_path) == ("wrong hash" if kind == "huge" else "missing")
    assert weights_command.main(["list", f"weights_folder={tmp_path}"]) in (EXIT_DONE, EXIT_USER_ERROR)


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_from_elsewhere(tmp_path: Path, kind: str) -> None:
    put(tmp_path / "set/photo-000000.tar", kind)
    with pytest.raises(ShardError):
        verify.main([str(tmp_path / "set"), "--index"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_pictures(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = put(tmp_path / "list.txt", kind)
    assert status_of(cartoons, [str(listed), str(tmp_path / "out")]) == EXIT_USER_ERROR
    assert str(listed) in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_the_records_of_a_set(shards: Path, tmp_path: Path, kind: str) -> None:
    for name in ("manifest.json", "job.json", "photo-000000.index.json", "photo-000000.tar"):
        folder = tmp_path / name
        shutil.copytree(shards / "photos", folder)
        put(folder / name, kind)
        assert status_of(verify.main, [str(folder)]) == EXIT_USER_ERROR
