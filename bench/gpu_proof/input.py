"""Stage `input`: how long the real training waits for its data, with decoded sets kept and without.

Pictures of shards/samples at 256 px, the paper's networks without VGG, the captured step of batch 8 in bf16.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.gpu_proof import switches
from bench.gpu_proof.plan import ROOT
from bench.gpu_proof.processes import run_limited
from bench.gpu_proof.task import StageError, Task
from bench.gpu_proof.training import FEW_CARTOONS, FEW_PHOTOS, SAMPLES
from cartoon_dist.cpu.cores import num_usable_cores

KEEPS = ("none", "host", "device")
NUM_STEPS, LOG_EVERY, MAX_WORKERS = 120, 20, 8
LEAST_SECONDS = 8.0


def run(task: Task) -> dict[str, Any]:
    """Which ways were measured; StageError at the first command that fails. A way that has no time left is left out."""
    folder = task.folder / "input"
    folder.mkdir()
    size = 16 if task.rehearse else 256
    for domain, few in (("photos", FEW_PHOTOS), ("cartoons", FEW_CARTOONS)):
        pictures = [str(SAMPLES / domain / f"{name}.jpg") for name in few] if task.rehearse else [str(SAMPLES / domain)]
        chosen = [f"image_size={size}", *(["num_workers=1"] if task.rehearse else [])]
        _run(task, folder / f"{domain}.log", [f"shards/{domain}.py", *pictures, str(folder / domain), *chosen])
    (folder / "training.yaml").write_text(f"image_size: {size}\n", encoding="utf-8")
    done: list[str] = []
    longest = 0.0
    for keep in KEEPS if "keep" not in task.without else KEEPS[:1]:
        if task.seconds_left < max(LEAST_SECONDS, 1.1 * longest) or (task.rehearse and keep == "device"):
            break
        begun = time.monotonic()
        words = _words(task, folder, size, keep)
        _run(task, folder / f"train-{keep}.log", ["launch/train.py", str(folder / "training.yaml"), *words])
        task.append("input", keep=keep, **_measured(folder / f"run-{keep}"))
        done.append(keep)
        longest = max(longest, time.monotonic() - begun)
    if not done:
        raise StageError("no time was left to train", {})
    return {"cells": len(done), "of": len(KEEPS)}


def _words(task: Task, folder: Path, size: int, keep: str) -> list[str]:
    steps, workers = (4, 0) if task.rehearse else (NUM_STEPS, min(MAX_WORKERS, num_usable_cores() - 1))
    words = [
        f"run_dir={folder / f'run-{keep}'}",
        f"image_size={size}",
        f"data.keep={keep}",
        f"data.num_workers={workers}",
    ]
    words += [f"data.photos={folder / 'photos'}", f"data.cartoons={folder / 'cartoons'}", "loss.content.weight=0"]
    words += ["warmup.loss=pixel", "warmup.steps=1", f"max_steps={steps}", "epochs=100000", "precision=bf16"]
    words += [f"batch_size={1 if task.rehearse else 8}", f"log_every={1 if task.rehearse else LOG_EVERY}"]
    words += ["model.channels=2", "model.num_blocks=1"] * task.rehearse
    words += ["capture.mode=iteration"] * ("capture" not in task.without)
    words += [f"device={'cpu' if task.rehearse else 'cuda'}"]
    return words + [word for word in switches.settings(task.without) if not word.startswith("data.keep=")]


def _run(task: Task, log: Path, words: list[str]) -> None:
    seconds = task.seconds_left - 2
    ended = run_limited([sys.executable, *words], seconds=seconds, log=log, cwd=ROOT)
    if not ended.in_time or ended.status not in (0, 75):
        why = f"status {ended.status}" if ended.in_time else f"stopped after {seconds:.0f} s"
        raise StageError(f"{words[0]}: {why}\n{log.read_text(encoding='utf-8', errors='replace')[-20000:]}", {})


def _measured(run_folder: Path) -> dict[str, Any]:
    """The median of the later half of the rows, in which the graph is recorded and the workers have started."""
    rows = [json.loads(row) for row in (run_folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    later = [row for row in rows if row.get("phase") == "gan"][-max(1, len(rows) // 2) :]
    waits = sorted(row["data_wait_fraction"] for row in later)
    rates = sorted(row["images_per_second"] for row in later)
    return {
        "data_wait_percent": round(100 * waits[len(waits) // 2], 2),
        "images_per_second": rates[len(rates) // 2],
    }
