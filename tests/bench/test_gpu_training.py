"""The training within some minutes of a GPU, rehearsed whole on the CPU: killed in its middle and started again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.gpu_proof.record import read_lines
from bench.gpu_training.__main__ import main
from tests.running import LIMIT_SECONDS, ROOT, environment, script, wait_for

MODULE = [sys.executable, "-m", "bench.gpu_training"]


def words(out: Path, *more: str) -> list[str]:
    return [str(out), "--rehearse", "--minutes", "60", "--style", "anime", "--rows", "ressal_cbam,cartoongan", *more]


def stages(out: Path, session: str | None = None) -> list[dict[str, Any]]:
    lines = read_lines([out / "gpu_training.jsonl"])
    return [line for line in lines if session in (None, line["session"])]


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows, the process killed once the first has a checkpoint, and the same command once more."""
    out = tmp_path_factory.mktemp("gpu_training") / "out"
    log = out.with_name("log")
    with log.open("wb") as file:
        child = subprocess.Popen([*MODULE, *words(out)], cwd=ROOT, env=environment(), stdout=file, stderr=file)
    checkpoint = out.with_name("out-scratch") / "runs" / "ressal_cbam" / "metrics.jsonl"
    try:
        wait_for(checkpoint, child)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=60)
    done = subprocess.run(
        [*MODULE, *words(out)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{log.read_text()}\n{done.stdout}\n{done.stderr}"
    assert len(done.stdout.splitlines()) < 30, "standard output is short"
    return out


@pytest.mark.slow
def test_a_second_start_goes_on_where_the_first_was_killed(rehearsed: Path) -> None:
    first, second = sorted({line["session"] for line in stages(rehearsed)})
    assert {"shards", "probe", "plan"} <= {line["stage"] for line in stages(rehearsed, first)}
    assert not {"probe", "plan"} & {line["stage"] for line in stages(rehearsed, second)}, "the plan is kept"
    begun = next(line for line in stages(rehearsed, second) if line["stage"] == "start")
    assert begun["used_seconds"] > 1, "the minutes that the first start has used count"
    assert all(line["ok"] for line in stages(rehearsed, second) if "ok" in line)
    plan = json.loads((rehearsed / "plan.json").read_text())
    for row in ("ressal_cbam", "cartoongan"):
        steps = [json.loads(line)["step"] for line in (rehearsed / row / "metrics.jsonl").read_text().splitlines()]
        assert steps == sorted(set(steps)), "one run, no step twice"
        assert steps[-1] * 2 == plan["images"][row], "its schedule ends with it"
    assert plan["images"]["ressal_cbam"] == plan["images"]["cartoongan"], "equal budgets"


@pytest.mark.slow
def test_what_comes_back_is_small_and_usable(rehearsed: Path, tmp_path: Path) -> None:
    assert max(path.stat().st_size for path in rehearsed.rglob("*") if path.is_file()) < 15_000_000
    for row in ("ressal_cbam", "cartoongan"):
        out = rehearsed / row
        assert (out / "row.json").is_file()
        assert (out / "report.html").read_text(encoding="utf-8").startswith("<!")
        assert list((out / "drawings").glob("step-*.jpg"))
        assert any("frechet" in score["metric"] for score in json.loads((out / "scores.json").read_text()))
        assert [place.name for place in out.glob("model-step-*")] == [f"model-step-{24:07d}"]
    text = (rehearsed / "summary.md").read_text()
    assert "| ressal_cbam | done | 48 | 24 |" in text
    assert "seed 0" in text
    assert (rehearsed / "rows.jpg").is_file()
    model = tmp_path / "joined.safetensors"
    assert main(["join", str(rehearsed / "ressal_cbam"), str(model)]) == 0
    drawing = tmp_path / "drawing.png"
    drawn = script("launch/cartoonize.py", model, ROOT / "shards/samples/photos/picos.jpg", drawing, "device=cpu")
    assert drawn.returncode == 0, drawn.stderr
    assert drawing.is_file()


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_other_options_are_refused(
    rehearsed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (rehearsed / "ressal_cbam" / "row.json").stat().st_mtime_ns
    done = subprocess.run([*MODULE, *words(rehearsed)], cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (rehearsed / "ressal_cbam" / "row.json").stat().st_mtime_ns == before
    assert main(words(rehearsed, "--seed", "3")) == 2
    said = capfd.readouterr().err
    assert "was begun with another seed" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--rows", "sal,nothing"], "--rows: there is no nothing; there are cartoongan"),
        (["--minutes", "0"], "--minutes: 0 is not above 0"),
        (["max_steps=10"], "max_steps: follows from the minutes"),
        (["--config", "no_such"], "no_such: is no config file"),
        (["model.channels=3"], "model.channels"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_written(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path / "out", *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
