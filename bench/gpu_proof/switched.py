"""Stage `switches`: the captured step of batch 8 in bf16 with everything, with each optimisation left out in turn, and
with all of them left out, so that one run says which of them paid."""

import gc
import time
import traceback
from contextlib import ExitStack
from typing import get_args

import torch

from bench.gpu_proof import switches
from bench.gpu_proof.goals import EVERYTHING, NOTHING
from bench.gpu_proof.task import StageError, Task
from bench.gpu_proof.timing import Timed, device_name, forget_precision, our_step, prepared, settings_of, time_in_turn
from cartoon_dist.gpu import switch
from cartoon_dist.gpu.switch import Optimisation

BATCH_SIZE, NUM_WARM, NUM_ROUNDS, STEPS_A_ROUND = 8, 6, 5, 4
SEVERAL_PROCESSES: tuple[Optimisation, ...] = ("averaging_in_backward",)
"""Does nothing in one process; the stage `averaging` measures it in two."""
LEAST_SECONDS = 5.0


def run(task: Task) -> dict[str, object]:
    """How many ways were measured; StageError where one failed. Each is a line of its own at once.

    Ways are measured one after the other, not in turn: the switches are read while a step is recorded, and a card does
    not hold all of them at once beside their pools. The first is measured once more at the end, which tells the drift.
    """
    failures, longest, num_done = [], 0.0, 0
    ways = ways_of(task.without)
    for name, left_out in ways:
        if task.seconds_left < max(LEAST_SECONDS, 1.3 * longest):
            break
        begun = time.monotonic()
        failures += _measure(task, name, left_out)
        num_done, longest = num_done + 1, max(longest, time.monotonic() - begun)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    results = {"device": device_name(), "cells": num_done, "of": len(ways)}
    if failures or not num_done:
        raise StageError("\n\n".join(failures) or "no time was left to measure anything", results)
    return results


def ways_of(without: tuple[str, ...]) -> list[tuple[str, tuple[Optimisation, ...]]]:
    """Names and what each leaves out, beside what the whole session leaves out."""
    names = [name for name in get_args(Optimisation) if name not in (*SEVERAL_PROCESSES, *without)]
    single = [(name, (name,)) for name in names]
    return [(EVERYTHING, ()), *single, (NOTHING, tuple(names)), (f"{EVERYTHING}, again", ())]


def _measure(task: Task, name: str, left_out: tuple[Optimisation, ...]) -> list[str]:
    mode = "none" if "capture" in task.without else "iteration"
    batch_size = 1 if task.rehearse else BATCH_SIZE
    words = (f"batch_size={batch_size}", "precision=bf16", *switches.settings(task.without))
    settings, rounds, warm = settings_of(*words, rehearse=task.rehearse), NUM_ROUNDS, NUM_WARM
    if task.rehearse:
        rounds, warm = 1, 5
    forget_precision()
    with ExitStack() as stack:
        stack.enter_context(switch.disabled(*left_out))
        try:
            timed = prepared(name, lambda: our_step(settings, mode, stack), num_warm=warm)
            steps = 1 if task.rehearse else STEPS_A_ROUND
            time_in_turn({name: timed}, num_rounds=rounds, steps_a_round=steps, until=lambda: task.seconds_left < 2)
        except Exception:  # noqa: BLE001  its line says so, and the other ways are measured
            timed = Timed(name, failure=traceback.format_exc())
    row = timed.row(batch_size=batch_size, peak_flops=None)
    task.append("switched", device=device_name(), batch_size=batch_size, left_out=list(left_out), **row)
    return [f"{name}:\n{timed.failure}"] if timed.failure else []
