"""The report as a user comes by it: from training, from scoring, and from the command that writes it again."""

import subprocess
from pathlib import Path

import pytest

from cartoon_dist.commands import fid
from tests.running import ROOT, script, train

pytestmark = pytest.mark.slow

NEEDED = ROOT / "weights/efficientnet-lite0-57934424.pth"


def words(shards: Path, run: Path, *more: str) -> list[str | Path]:
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={run}"]
    cheap = ["loss.content.weight=0", "warmup.loss=pixel", "max_steps=4", "sample_every=2"]
    return [ROOT / "tests/tiny.yaml", *folders, *cheap, *more]


@pytest.fixture(scope="module")
def run(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    done = train(words(shards, folder))
    assert done.returncode == 0, done.stderr
    assert "warning: " not in done.stderr
    return folder


def test_training_leaves_a_report_of_its_end(run: Path) -> None:
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<dt>state</dt><dd>done</dd>" in page
    assert "<dt>step</dt><dd>4</dd>" in page
    assert page.count("<img ") == 3
    assert "Not scored yet" in page


def test_the_command_writes_it_again(run: Path) -> None:
    before = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    done = script("launch/report.py", run)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{run / 'report.html'}"
    assert len((run / "report.html").read_bytes()) == len(before)  # all but the minute it was written in


def test_scoring_brings_it_up_to_date(run: Path) -> None:
    if not NEEDED.exists():
        pytest.skip("weights/ lacks efficientnet_lite0; make weights fetches it")
    small = ["score.features=efficientnet_lite0", f"weights_folder={ROOT / 'weights'}"]
    assert fid.main([str(run), *small]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Not scored yet" not in page
    assert "How well S has learned its labels" in page
    assert "one map for all held-out photos" in page  # in the legend of the saliency loss


def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, run: Path) -> None:
    for folder in (tmp_path, tmp_path / "none", ROOT / "README.md", run / "step-0000004"):
        done = script("launch/report.py", folder)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith(f"error: {folder}: ")
        assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_one_line_and_status_2(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "run/report.html/there").mkdir(parents=True)  # as a full disk, this keeps the file from its place
    done = train(words(shards, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert said_of_the_report(done) == 1
    assert (tmp_path / "run/step-0000004/manifest.json").exists()
    again = script("launch/report.py", tmp_path / "run")
    assert again.returncode == 2
    assert "cannot be written" in again.stderr
    assert len(again.stderr.splitlines()) == 1


def said_of_the_report(done: subprocess.CompletedProcess[str]) -> int:
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ") and "report.html" in line]
    assert all("the run goes on without it" in line for line in warnings)
    return len(warnings)


def test_a_run_that_ends_before_it_began_leaves_none(shards: Path, tmp_path: Path) -> None:
    done = train(words(shards, tmp_path / "run", f"data.photos={tmp_path}"))
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "run/report.html").exists()
    assert (tmp_path / "run/exit.json").exists()


def test_a_run_that_breaks_off_says_so_in_its_report(shards: Path, tmp_path: Path) -> None:
    more = ["optimizer.generator=1e30", "optimizer.discriminator=1e30", "max_steps=20", "epochs=50"]
    done = train(words(shards, tmp_path / "run", *more))
    assert done.returncode == 2, done.stderr
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "broke off with status 2" in page
    assert "lower the learning rate" in page


def test_help_gives_an_example() -> None:
    done = script("launch/report.py", "--help")
    assert done.returncode == 0
    assert "example: python launch/report.py runs/" in done.stdout
