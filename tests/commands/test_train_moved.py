"""Training that is killed, moved to another number of processes, divided, or loses a process."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.running import LIMIT_SECONDS, ROOT, environment, metrics, tiny, train, train_command, wait_for, weights

pytestmark = pytest.mark.slow

CLOCKS = {"images_per_second", "data_wait_fraction", "save_wait_fraction"}


def figures(run: Path) -> list[dict[str, Any]]:
    left_out = CLOCKS | {"phase"}
    return [{name: value for name, value in record.items() if name not in left_out} for record in metrics(run)]


def cut_back(run: Path, to: Path) -> Path:
    """A copy of a run as it was after its first checkpoint."""
    shutil.copytree(run, to)
    shutil.rmtree(to / "step-0000010")
    return to


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


def test_two_processes_killed_in_the_middle_go_on_exactly(
    shards: Path, pair: dict[int, Path], exact: tuple[str, ...], tmp_path: Path
) -> None:
    for attempt in range(5):
        run = tmp_path / f"run{attempt}"
        words = tiny(shards, run, *exact)
        with subprocess.Popen(
            train_command(words, num_processes=2), env=environment(), stderr=subprocess.DEVNULL
        ) as child:
            wait_for(run / "step-0000005", child)
            for process in [*descendants(child.pid), child.pid]:
                os.kill(process, signal.SIGKILL)
        if not (run / "step-0000010").exists():
            break  # mostly the first; the machine may let it run to its end before it is killed
    again = train(words, num_processes=2)
    assert again.returncode == 0, again.stderr
    assert "goes on after step 5" in again.stderr
    expected, found = weights(pair[2], 10), weights(run, 10)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert figures(run) == figures(pair[2])


@pytest.mark.parametrize(("began", "goes_on"), [(2, 1), (1, 2)])
def test_on_another_number_of_processes_it_computes_the_same(
    shards: Path, pair: dict[int, Path], exact: tuple[str, ...], tmp_path: Path, began: int, goes_on: int
) -> None:
    run = cut_back(pair[began], tmp_path / "run")
    # In parts, too: each process's share one sample after the other.
    done = train(tiny(shards, run, *exact, f"accumulate={4 // goes_on}"), num_processes=goes_on)
    assert done.returncode == 0, done.stderr
    assert "goes on after step 5" in done.stderr
    assert furthest(weights(pair[began], 10), weights(run, 10)) < 1e-9
    for expected, found in zip(figures(pair[began]), figures(run), strict=True):
        assert found == pytest.approx(expected, rel=1e-9)


def test_a_process_that_dies_ends_the_others_with_its_name(shards: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = train_command(tiny(shards, run, "epochs=500"), num_processes=2)
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as child:
        wait_for(run / "metrics.jsonl", child)
        [second] = [pid for pid in descendants(child.pid) if variable(pid, "RANK") == "1"]
        os.kill(second, signal.SIGKILL)
        _, said = child.communicate(timeout=LIMIT_SECONDS)
    assert re.search(
        r"^error: process 1 on \S+ has gone or does not answer, .* go on from the last", said, re.MULTILINE
    )
    left = json.loads((run / "exit.json").read_text())
    assert left["status"] == 2
    assert left["reason"].startswith("process 1 on ")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_deepspeed_computes_what_it_divides(shards: Path, tmp_path: Path, precision: str) -> None:
    """ZeRO 1 beside the plain engine; its checkpoint is a plain one, and goes on without it."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    # Without a content loss, as VGG in bf16 takes a CPU minutes.
    words = (f"precision={precision}", "epochs=9", "max_steps=8", "checkpoint.every=4", "optimizer.clip=5")
    words += ("loss.content.weight=0", "warmup.loss=pixel")
    done = train(tiny(shards, whole, *words), num_processes=2)
    assert done.returncode == 0, done.stderr
    done = divided(tiny(shards, run, *words), "deepspeed")
    assert done.returncode == 0, done.stderr
    assert f"2 processes on cpu, ZeRO 1, {precision}" in done.stderr
    assert_alike(whole, run, precision)
    assert weights(whole, 8).keys() == weights(run, 8).keys()
    shutil.rmtree(run / "step-0000008")
    again = train(tiny(shards, run, *words), num_processes=2)
    assert again.returncode == 0, again.stderr
    assert "goes on after step 4" in again.stderr
    assert_alike(whole, run, precision)


def assert_alike(one: Path, other: Path, precision: str) -> None:
    """In fp32 every figure. In bf16 the losses: a sum that rounds otherwise in its last place, which depends on the
    processor, moves them by 1e-4, and the length of G's gradient by a third."""
    for expected, found in zip(figures(one), figures(other), strict=True):
        assert expected.keys() == found.keys()
        assert any(name.startswith("norm/") for name in expected)
        if precision == "fp32":
            assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)
        else:
            losses = [name for name in expected if name.startswith("loss/")]
            assert losses
            assert [found[name] for name in losses] == pytest.approx([expected[name] for name in losses], rel=0.01)


def divided(words: list[str | Path], config: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    command += [str(ROOT / f"configs/accelerate/{config}.yaml"), "--main_process_port", "0"]
    command += [str(ROOT / "launch/train.py"), *map(str, words)]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


def descendants(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *descendants(child)]
    return found


def variable(pid: int, name: str) -> str | None:
    held = dict(entry.split("=", 1) for entry in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in entry)
    return held.get(name) if "python" in Path(f"/proc/{pid}/cmdline").read_text() else None
