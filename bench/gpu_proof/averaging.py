"""Stage `averaging`: the captured step of two processes on two GPUs, its gradients averaged while the backward runs and
after it. Where there is one GPU there is nothing to check."""

import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from bench.gpu_proof.plan import ROOT
from bench.gpu_proof.processes import ProcessResult, run_limited
from bench.gpu_proof.record import read_lines
from bench.gpu_proof.task import NothingToCheckError, StageError, Task
from bench.gpu_proof.timing import device_name
from cartoon_dist.gpu.switch import Optimisation

NUM_PROCESSES = 2
BATCH_SIZE = 8
"""Of each process."""
WITHIN, AFTER = "within the backward", "after the backward"
KEPT_SECONDS = 2.0
LOG_CHARACTERS = 8_000


def ways_of(without: tuple[str, ...]) -> list[tuple[str, tuple[Optimisation, ...]]]:
    """Names and what each leaves out, beside what the whole session does; the first once more, which tells the drift.

    All processes measure these in this order.
    """
    if "averaging_in_backward" in without:
        return [(AFTER, ())]
    return [(WITHIN, ()), (AFTER, ("averaging_in_backward",)), (f"{WITHIN}, again", ())]


def run(task: Task) -> dict[str, object]:
    """How many ways were measured; StageError where a process failed, NothingToCheckError with fewer than two GPUs."""
    num_devices = torch.cuda.device_count()
    if num_devices < NUM_PROCESSES and not task.rehearse:
        raise NothingToCheckError(
            f"needs {NUM_PROCESSES} CUDA devices, and there are {num_devices}", {"device": device_name()}
        )
    seconds = max(1.0, task.seconds_left - KEPT_SECONDS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ThreadPoolExecutor(NUM_PROCESSES) as pool:
        ended = list(pool.map(lambda rank: _run_process(task, rank, port, seconds), range(NUM_PROCESSES)))
    written = read_lines([task.session.file]) if task.session.file.is_file() else []
    measured = [line for line in written if _is_ours(task, line)]
    results = {"device": device_name(), "cells": len(measured), "of": len(ways_of(task.without))}
    failures = [_failure(task, rank, one, seconds) for rank, one in enumerate(ended)]
    if any(failures):
        raise StageError("\n\n".join(filter(None, failures)), results)
    return results


def _run_process(task: Task, rank: int, port: int, seconds: float) -> ProcessResult:
    words = [sys.executable, "-m", "bench.gpu_proof.averaging_rank", str(task.session.out), task.session.name]
    words += ["--rehearse"] * task.rehearse
    words += [word for name in task.without for word in ("--without", name)]
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": NUM_PROCESSES, "LOCAL_WORLD_SIZE": NUM_PROCESSES}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return run_limited(
        words,
        seconds=seconds,
        log=_log(task, rank),
        cwd=ROOT,
        environment=os.environ | where | {name: str(number) for name, number in numbers.items()},
    )


def _is_ours(task: Task, line: dict[str, object]) -> bool:
    return line["session"] == task.session.name and line.get("part") == "averaged"


def _failure(task: Task, rank: int, ended: ProcessResult, seconds: float) -> str:
    if ended.in_time and ended.status == 0:
        return ""
    why = f"ended with status {ended.status}" if ended.in_time else f"was stopped after {seconds:.0f} s"
    said = _log(task, rank).read_text(encoding="utf-8", errors="replace")[-LOG_CHARACTERS:]
    return f"process {rank} {why}\n{said}"


def _log(task: Task, rank: int) -> Path:
    return task.folder / f"{task.stage}-{rank}.log"
