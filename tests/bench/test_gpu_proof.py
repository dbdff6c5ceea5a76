"""The command that checks and measures on a GPU: its stages, their limits, and what it writes when something breaks."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from bench.gpu_proof import averaging, plan, switches
from bench.gpu_proof.__main__ import main
from bench.gpu_proof.plan import STAGES, Stage, in_groups, limit_in_group, time_limit
from bench.gpu_proof.record import Session, headline, new_session, read_lines
from bench.gpu_proof.runner import run_stages
from bench.gpu_proof.speed import kinds_of
from bench.gpu_proof.switched import ways_of
from bench.gpu_proof.task import StageError, Task
from cartoon_dist.gpu.switch import VARIABLE, Optimisation
from tests.running import LIMIT_SECONDS, ROOT, environment, wait_for

FAILS = "print('before'); raise ValueError('planted')"
CHILD_IN_A_SESSION_OF_ITS_OWN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)
print('child', child.pid, flush=True)
time.sleep(600)
"""


def python(name: str, code: str, share: float = 1.0) -> Stage:
    return Stage(name, share, least_seconds=0.1, command=(sys.executable, "-c", code))


def is_dead(pid: str) -> bool:
    """Ended, if perhaps not yet waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def stages_of(session: Session) -> dict[str, dict[str, Any]]:
    return {line["stage"]: line for line in read_lines([session.file]) if "part" not in line}


@pytest.mark.slow
def test_a_rehearsal_runs_every_kind_of_stage(tmp_path: Path) -> None:
    stages_asked = "scores,averaging,switches,drawing,profile,compiled,input,training,speed"
    words = [str(tmp_path), "--rehearse", "--minutes", "30", "--only", stages_asked]
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu_proof", *words],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    lines = read_lines([tmp_path / "gpu_proof.jsonl"])
    stages = {line["stage"]: line for line in lines if "part" not in line}
    assert {name: line["failure"] for name, line in stages.items() if line["ok"] is False} == {}, done.stdout
    assert list(stages) == ["versions", *stages_asked.split(",")]
    assert done.returncode == 0, done.stderr
    assert {line["device"] for line in stages.values()} == {"cpu"}
    assert all(line["rehearsal"] for line in lines)
    cells = [line for line in lines if line.get("part") == "cell"]
    assert {(cell["batch_size"], cell["precision"], cell["kind"]) for cell in cells} == {
        *((2, "fp32", kind) for kind in ("plain", "iteration", "textbook")),
        *((1, "bf16", kind) for kind in ("plain", "iteration", "textbook")),
    }
    assert all(cell["ms"] > 0 and cell["images_per_second"] > 0 for cell in cells)
    assert all(cell["share_of_ceiling"] > 0 for cell in cells if cell["kind"] != "textbook")
    assert {line["layout"] for line in lines if line.get("part") == "ceiling"} == {"NHWC", "NCHW"}
    assert stages["scores"]["results"]["passed"] > 0
    check_comparisons(lines)
    groups = stages["profile"]["results"]["groups"]
    assert sum(group["share"] for group in groups) == pytest.approx(1, abs=0.01)
    commands = stages["training"]["results"]["commands"]
    assert list(commands) == ["photos", "cartoons", "train", "fid", "cartoonize", "export"]
    assert stages["training"]["results"]["scores"]["frechet_efficientnet_lite0"] > 0
    assert (tmp_path / stages["training"]["results"]["drawing"]).stat().st_size > 1000
    assert "| speed | passed |" in done.stdout


def check_comparisons(lines: list[dict[str, Any]]) -> None:
    """Each way of each new stage has figures."""
    switched = [line for line in lines if line.get("part") == "switched"]
    singles = ["fused_norm", "fused_cbam", "channels_last", "padded_channels"]
    assert [line["kind"] for line in switched] == ["everything", *singles, "none of them", "everything, again"]
    assert [line["left_out"] for line in switched] == [[], *([name] for name in singles), singles, []]
    averaged = [line for line in lines if line.get("part") == "averaged"]
    assert [line["left_out"] for line in averaged] == [[], ["averaging_in_backward"], []]
    assert {(line["processes"], line["batch_size"]) for line in averaged} == {(2, 1)}
    assert all(line["ms"] > 0 for line in averaged)
    drawn = [line for line in lines if line.get("part") == "drawing"]
    assert [line["precision"] for line in drawn] == ["fp32"] * 3 + ["bf16"] * 3
    assert [line["what"] for line in drawn[:3]] == ["32 px", "a folder", "0.00307 MP"]
    assert drawn[3]["largest_difference"] > 0
    ways = [line["way"] for line in lines if line.get("part") == "compiled"]
    assert ways == ["torch's operations", "the fused operation", "torch.compile"]
    waited = [line for line in lines if line.get("part") == "input"]
    assert [line["keep"] for line in waited] == ["none", "host"]  # on a device: only a GPU has one
    assert all(0 <= line["data_wait_percent"] <= 100 for line in waited)
    assert not [line for line in lines if line.get("failure")]


def test_a_stage_that_fails_is_written_whole_and_the_next_one_runs(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    run_stages(session, [python("fails", FAILS), python("next", "pass")], minutes=1)
    lines = stages_of(session)
    assert lines["fails"]["ok"] is False
    assert lines["fails"]["failure"].startswith("ended with status 1\nbefore\nTraceback (most recent call last):")
    assert lines["fails"]["failure"].rstrip().endswith("ValueError: planted")
    assert lines["next"]["ok"] is True


def test_a_stage_that_hangs_is_killed_at_its_limit_with_its_child(tmp_path: Path) -> None:
    session, begun = new_session(tmp_path), time.monotonic()
    hangs = python("hangs", CHILD_IN_A_SESSION_OF_ITS_OWN)
    # 9 s, of which 4 are kept back: half of what is left is the first stage's.
    run_stages(session, [hangs, python("next", "pass")], minutes=0.15)
    assert time.monotonic() - begun < 9
    lines = stages_of(session)
    assert lines["hangs"]["failure"].startswith("killed at its limit of 2 s\nchild ")
    assert lines["next"]["ok"] is True
    assert is_dead(lines["hangs"]["failure"].split()[-1])


def test_an_error_in_a_module_of_ours_is_written_with_its_traceback(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    run_stages(session, [Stage("lost", 1, "no_such_module"), Stage("no_such_file", 1, "gpu_tests")], minutes=1)
    lines = stages_of(session)
    assert "Traceback" in lines["lost"]["failure"]
    assert "no_such_module" in headline(lines["lost"]["failure"])
    assert lines["no_such_file"]["failure"] == "tests/gpu/test_no_such_file.py: there is no such file"


def test_what_is_told_to_end_ends_its_stage(tmp_path: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path; from bench.gpu_proof import plan, runner, record;"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1));"
        f"session = record.new_session(Path({str(tmp_path)!r}));"
        f"stage = plan.Stage('hangs', 1, command=(sys.executable, '-c', {CHILD_IN_A_SESSION_OF_ITS_OWN!r}));"
        f"Path({str(tmp_path / 'name')!r}).write_text(session.name); runner.run_stages(session, [stage], minutes=5)"
    )
    running = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment())
    wait_for(tmp_path / "name", running)
    log = tmp_path / (tmp_path / "name").read_text() / "hangs.log"
    wait_for(log, running)
    while "child" not in log.read_text():
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait(timeout=10) == 1
    assert is_dead(log.read_text().split()[-1])


def test_stages_without_time_are_written_as_not_run(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    run_stages(session, STAGES, minutes=0.07)
    lines = stages_of(session)
    assert list(lines) == [stage.name for stage in STAGES]
    assert {line["failure"] for line in lines.values()} == {"not run: no time left"}


def test_a_second_session_is_added_to_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        run_stages(new_session(tmp_path), [python("one", "pass")], minutes=1)
    lines = read_lines([tmp_path / "gpu_proof.jsonl"])
    assert len({line["session"] for line in lines}) == len(lines) == 2


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    session.append(stage="one")
    with session.file.open("a") as file:
        file.write('{"stage": "cut o')
    session.append(stage="two", where=f"{ROOT}/bench")
    assert [line["stage"] for line in read_lines([session.file])] == ["one", "two"]
    assert str(ROOT) not in session.file.read_text()


def test_all_limits_together_are_the_minutes_given() -> None:
    left, total = 240 - plan.RESERVE_SECONDS, 0.0
    stages = list(STAGES)
    for group in in_groups(STAGES):
        seconds = time_limit(stages, left, num_first=len(group))
        left, total, stages = left - seconds, total + seconds, stages[len(group) :]
    assert total == pytest.approx(240 - plan.RESERVE_SECONDS)
    assert [len(group) for group in in_groups(STAGES)] == [1, len(plan.GPU_TESTS)] + [1] * 8


def test_time_left_over_goes_to_the_stages_that_follow() -> None:
    stages = [Stage("a", 1), Stage("b", 1), Stage("c", 2)]
    assert time_limit(stages, 40) == 10
    assert time_limit(stages[1:], 39) == 13
    assert time_limit(stages[2:], 30) == 30
    assert time_limit(stages, -1) == 0
    assert time_limit([], 40) == 0


def test_stages_at_the_same_time_share_what_their_group_has() -> None:
    group = [Stage("a", 3, concurrent=True), Stage("b", 1, concurrent=True)]
    assert limit_in_group(group[0], group, 40, num_at_once=1) == 30
    assert limit_in_group(group[1], group[1:], 35, num_at_once=1) == 35
    assert [limit_in_group(stage, group, 40, num_at_once=2) for stage in group] == [40, 40]
    three = [Stage(name, 1, concurrent=True) for name in "abc"]
    assert limit_in_group(three[0], three, 30, num_at_once=2) == pytest.approx(20)
    assert limit_in_group(three[2], three[2:], 10, num_at_once=2) == 10


def test_switches_reach_every_stage_and_unknown_ones_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = new_session(tmp_path, without=("tf32", "capture"))
    run_stages(session, [python("asks", "import os; assert os.environ['NVIDIA_TF32_OVERRIDE'] == '0'")], minutes=1)
    assert stages_of(session)["asks"]["ok"] is True
    assert stages_of(session)["asks"]["without"] == ["tf32", "capture"]
    assert switches.settings(("capture",)) == ("capture.mode=none",)
    assert kinds_of(8, "bf16", ()) == ["plain", "iteration", "generator", "textbook"]
    assert kinds_of(4, "fp16", ()) == ["plain", "iteration"]
    assert kinds_of(8, "bf16", ("capture",)) == ["plain", "textbook"]
    assert main([str(tmp_path), "--without", "speed"]) == 2
    assert capsys.readouterr().err == (
        "error: --without: there is no speed; there are averaging_in_backward, capture, channels_last, fused_cbam, "
        "fused_norm, keep, padded_channels, tf32\n"
    )


def test_switches_of_the_gpu_room_go_into_its_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert set(get_args(Optimisation)) <= set(switches.SWITCHES)
    chosen = ("fused_norm", "tf32", "channels_last")
    assert switches.environment(chosen) == {"NVIDIA_TF32_OVERRIDE": "0", VARIABLE: "fused_norm,channels_last"}
    monkeypatch.setenv(VARIABLE, "padded_channels,fused_norm")
    assert switches.environment(chosen)[VARIABLE] == "padded_channels,fused_norm,channels_last"
    assert switches.environment(("tf32",)) == {"NVIDIA_TF32_OVERRIDE": "0"}
    assert switches.settings(("keep", "capture")) == ("data.keep=none", "capture.mode=none")


def test_each_file_of_tests_on_a_gpu_is_a_stage() -> None:
    files = {path.stem.removeprefix("test_") for path in (ROOT / "tests/gpu").glob("test_*.py")}
    assert files == set(plan.GPU_TESTS)


def test_each_way_of_the_switches_leaves_one_out() -> None:
    ways = dict(ways_of(("padded_channels", "tf32")))
    assert ways["everything"] == ()
    assert ways["fused_norm"] == ("fused_norm",)
    assert ways["none of them"] == (
        "fused_norm",
        "fused_cbam",
        "channels_last",
    )  # the session leaves the third out already
    assert "averaging_in_backward" not in ways  # nothing is averaged in one process


def test_averages_of_two_processes_are_measured_in_the_backward_and_after_it() -> None:
    assert dict(averaging.ways_of(("tf32",))) == {
        "within the backward": (),
        "after the backward": ("averaging_in_backward",),
        "within the backward, again": (),
    }
    assert averaging.ways_of(("averaging_in_backward",)) == [("after the backward", ())]


def test_one_gpu_or_none_has_no_averages_to_measure(tmp_path: Path) -> None:
    session = new_session(tmp_path)
    run_stages(session, [Stage("averaging", 1, "averaging")], minutes=1)
    line = stages_of(session)["averaging"]
    assert line["ok"] is None
    assert line["failure"] == "needs 2 CUDA devices, and there are 0"


@pytest.mark.slow
def test_processes_that_fail_are_written_whole(tmp_path: Path) -> None:
    session = new_session(tmp_path, rehearse=True, without=("no_such_switch",))
    task = Task(stage="averaging", session=session, seconds=LIMIT_SECONDS, minutes=1, begun=time.monotonic())
    with pytest.raises(StageError, match="process 1 ended with status 1") as failed:
        averaging.run(task)
    assert "KeyError: 'no_such_switch'" in str(failed.value)
    assert failed.value.results == {"device": "cpu", "cells": 0, "of": 3}


@pytest.mark.parametrize("words", [[], ["OUT", "--only", "nothing"], ["OUT", "--minutes", "0"]])
def test_words_that_make_no_sense_are_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("OUT").exists()
