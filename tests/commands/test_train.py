"""Training as a user starts it, on real pictures: on one process and on two, killed, stopped, resumed."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import cv2
import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.running import (
    LIMIT_SECONDS,
    ROOT,
    environment,
    metrics,
    started,
    tiny,
    train,
    train_command,
    wait_for,
    weights,
)

pytestmark = pytest.mark.slow

GOLDEN = ROOT / "tests/golden/losses.json"


def test_two_processes_compute_what_one_does(pair: dict[int, Path]) -> None:
    for step in (5, 10):
        one, two = (weights(pair[num], step) for num in (1, 2))
        assert one.keys() == two.keys()
        assert "optimizer-discriminator/layers.0.conv.weight:exp_avg" in one
        assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-9


def test_losses_are_what_they_were(pair: dict[int, Path], request: pytest.FixtureRequest) -> None:
    figures = [{k: v for k, v in record.items() if "/" in k and k[:2] != "lr"} for record in metrics(pair[1])]
    if request.config.getoption("--record"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(figures, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert len(golden) == 10
    for run in pair.values():
        for expected, record in zip(golden, metrics(run), strict=True):
            assert {name: record[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_what_a_run_leaves(pair: dict[int, Path]) -> None:
    run = pair[2]
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.yaml", "metrics.jsonl", "tensorboard", "samples", "step-0000005", "step-0000010", "exit.json",
        "report.html",
    }  # fmt: skip
    assert json.loads((run / "exit.json").read_text()) == {"status": 0, "reason": ""}
    assert yaml.safe_load((run / "config.yaml").read_text())["precision"] == "fp64"
    manifest = json.loads((run / "step-0000010/manifest.json").read_text())
    assert (manifest["step"], manifest["seed"], manifest["world_size"]) == (10, 0, 2)
    assert {"torch", "accelerate", "cartoon-dist"} <= manifest["versions"].keys()
    assert {path.name for path in (run / "step-0000010").iterdir()} == {*manifest["files"], "manifest.json"} == {
        "manifest.json", "config.yaml", "generator.safetensors", "discriminator.safetensors", "ema.safetensors",
        "optimizer-generator.safetensors", "optimizer-discriminator.safetensors", "random.safetensors",
    }  # fmt: skip
    assert (run / "step-0000010/config.yaml").read_bytes() == (run / "config.yaml").read_bytes()
    assert load_file(run / "step-0000010/random.safetensors").keys() == {"rank-0:cpu", "rank-1:cpu"}
    assert len(list((run / "tensorboard").iterdir())) == 1
    assert sorted(path.name for path in (run / "samples").iterdir()) == [
        "step-0000000.png", "step-0000005.png", "step-0000010.png"
    ]  # fmt: skip
    grid = cv2.imread(str(run / "samples/step-0000010.png"))
    assert grid.shape == (2 * 32 + 14, 4 * 32, 3)  # two photos under a caption; photo, label, predicted, generated


def test_records_hold_the_figures_of_the_contract(pair: dict[int, Path]) -> None:
    records = metrics(pair[2])
    assert [record["step"] for record in records] == list(range(1, 11))
    assert [record["phase"] for record in records] == ["warmup"] * 2 + ["gan"] * 8
    assert [record["images"] for record in records] == [4 * step for step in range(1, 11)]
    both = {"step", "epoch", "phase", "images", "images_per_second", "data_wait_fraction", "lr/generator"}
    assert [record["step"] for record in records if record["save_wait_fraction"] > 0] == [6]  # saved after step 5
    assert both | {"loss/content", "loss/saliency"} <= records[0].keys()
    gan = {"loss/adversarial_g", "loss/adversarial_d", "weight/content", "lr/discriminator"}
    assert both | gan | {"d/real", "d/generated", "d/smoothed"} <= records[-1].keys()


def test_a_killed_run_goes_on_exactly(shards: Path, tmp_path: Path) -> None:
    more = ("max_steps=8", "checkpoint.every=3", "log_every=2")
    whole = tmp_path / "whole"
    assert train(tiny(shards, whole, *more)).returncode == 0
    killed = tmp_path / "killed"
    with started(ROOT / "launch/train.py", *tiny(shards, killed, *more)) as child:
        wait_for(killed / "step-0000003", child)
        child.kill()
    assert not (killed / "step-0000008").exists()
    # A record of a step that the checkpoint does not hold, and one cut short: both are taken back.
    with (killed / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "loss/content": 9}\n{"step": ')
    again = train(tiny(shards, killed, *more))
    assert again.returncode == 0, again.stderr
    assert re.search(r"goes on after step [36]", again.stderr)
    expected, found = weights(whole, 8), weights(killed, 8)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    drawn = [load_file(run / "step-0000008/random.safetensors")["rank-0:cpu"] for run in (whole, killed)]
    assert torch.equal(*drawn)
    clocks = {"images_per_second", "data_wait_fraction", "save_wait_fraction"}
    stripped = [[{k: v for k, v in r.items() if k not in clocks} for r in metrics(run)] for run in (whole, killed)]
    assert stripped[0] == stripped[1]


@pytest.mark.parametrize("num_processes", [1, 2])
def test_asked_to_stop_it_saves_and_says_so(shards: Path, tmp_path: Path, num_processes: int) -> None:
    command = train_command(tiny(shards, tmp_path / "run", "data.num_workers=1"), num_processes=num_processes)
    with subprocess.Popen(
        command, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        wait_for(tmp_path / "run/metrics.jsonl", child)
        os.killpg(child.pid, signal.SIGTERM)  # as terminals and schedulers do: launcher and loader's workers get it too
        _, said = child.communicate(timeout=LIMIT_SECONDS)
    assert child.returncode == (75 if num_processes == 1 else 1), said  # the launcher knows no 75
    assert "run the same command again" in said
    left = json.loads((tmp_path / "run/exit.json").read_text())
    assert left["status"] == 75
    assert left["reason"] in ("signal SIGTERM", "another process was asked to stop")
    [saved] = (tmp_path / "run").glob("step-*")
    done = int(saved.name[5:])
    assert metrics(tmp_path / "run")[-1]["step"] == done
    if num_processes == 2:
        return
    again = train(tiny(shards, tmp_path / "run", f"max_steps={done + 2}", "data.num_workers=1"))
    assert again.returncode == 0, again.stderr
    assert f"goes on after step {done}" in again.stderr
    once_more = train(tiny(shards, tmp_path / "run", f"max_steps={done + 2}"))
    assert once_more.returncode == 0, once_more.stderr
    assert "nothing is left to do" in once_more.stderr


def test_half_precision_keeps_full_weights_and_says_what_it_costs(
    shards: Path, pair: dict[int, Path], tmp_path: Path
) -> None:
    done = train(tiny(shards, tmp_path, "precision=bf16", "max_steps=4"))
    assert done.returncode == 0, done.stderr
    assert "many times slower" in done.stderr
    held = weights(tmp_path, 4)
    assert {tensor.dtype for tensor in held.values()} == {torch.float32}
    exact, coarse = metrics(pair[1])[0], metrics(tmp_path)[0]
    for name in ("loss/content", "loss/saliency"):
        assert coarse[name] == pytest.approx(exact[name], rel=0.02)
        assert coarse[name] != exact[name]
