"""Files that only tell of a run never stop it: what is damaged among them is named, and training goes on."""

import json
import shutil
from pathlib import Path

import pytest

from cartoon_dist.commands.train import main
from tests.running import cheap, metrics


@pytest.fixture(scope="module")
def begun(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, to be gone on with to the fourth."""
    run = tmp_path_factory.mktemp("begun") / "run"
    assert main(cheap(shards, run, "max_steps=3")) == 0
    return run


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "run"))


def test_damaged_lines_of_the_metrics_are_left_out_and_counted(
    shards: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run / "metrics.jsonl"
    first, second, third = file.read_bytes().splitlines()
    flipped = bytes([second[0], second[1] ^ 0x80, *second[2:]])  # no UTF-8 any more
    strange = [b'{"step": "ten"}', b'{"step": NaN}', b"[" * 9999, b'"step"', third[:20]]
    file.write_bytes(b"\n".join([first, flipped, *strange]))
    assert main(cheap(shards, run, "max_steps=4")) == 0
    assert [record["step"] for record in metrics(run)] == [1, 4]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert said == [f"warning: {file}: 6 lines are damaged and left out (a killed process leaves its last one so)"]


def test_files_that_cannot_be_used_are_named_once_and_stop_nothing(
    shards: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ("metrics.jsonl", "exit.json", "report.html", "scores.json")
    for name in told:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()
        (run / name / "inside").touch()
    for name in ("tensorboard", "samples"):
        shutil.rmtree(run / name)
        (run / name).touch()
    assert main(cheap(shards, run, "max_steps=5", "sample_every=1", "checkpoint.every=1", "checkpoint.keep=1")) == 0
    assert (run / "step-0000005/manifest.json").exists()
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    for name, times in {
        **dict.fromkeys(told, 1),
        "tensorboard": 1,
        "samples": 1,
        "exit.json": 2,
        "scores.json": 2,
    }.items():
        assert sum(f"{run / name}: " in line for line in warned) == times, (name, warned)


def test_a_damaged_reason_of_the_last_end_is_no_matter(shards: Path, run: Path) -> None:
    (run / "exit.json").write_bytes(b"\xff{")
    assert main(cheap(shards, run, "max_steps=4")) == 0
    assert json.loads((run / "exit.json").read_text()) == {"status": 0, "reason": ""}
