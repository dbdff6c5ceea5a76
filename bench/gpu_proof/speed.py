"""Stage `speed`: milliseconds a step by batch size, precision and kind of step, and how near that is to the ceiling.

Each measured kind is a line of its own at once, so that a stage that is killed loses only what it was measuring.
"""

import gc
import time
import traceback
from contextlib import ExitStack
from typing import Any

import torch

from bench.gpu_proof import switches
from bench.gpu_proof.task import StageError, Task
from bench.gpu_proof.timing import (
    MODES,
    Timed,
    device_name,
    flops_of,
    forget_precision,
    kernel_seconds,
    our_step,
    prepared,
    settings_of,
    textbook_step,
    time_in_turn,
    wait,
)

CELLS = (
    (8, "bf16"),
    (4, "bf16"),
    (16, "bf16"),
    (8, "fp32"),
    (1, "bf16"),
    (2, "bf16"),
    (4, "fp32"),
    (1, "fp32"),
    (8, "fp16"),
    (4, "fp16"),
    (16, "fp32"),
    (2, "fp32"),
    (1, "fp16"),
    (16, "fp16"),
    (2, "fp16"),
)
"""Batch size and precision, those of the goals (goals.py) first."""
REHEARSED_CELLS = ((2, "fp32"), (1, "bf16"))
LEAST_SECONDS = 8.0
LONGER = 1.3
"""A combination is not begun with less time, nor with less than so many times what the longest took."""
NUM_ROUNDS, STEPS_A_ROUND, NUM_WARM = 7, 4, 6
CEILING_SHAPE = (8, 256, 64, 64)
REHEARSED_SHAPE = (1, 8, 16, 16)


def run(task: Task) -> dict[str, Any]:
    """How many cells were measured; StageError where one failed for another reason than memory, or none fitted."""
    rates = {layout: ceiling(task, layout) for layout in ("NHWC", "NCHW")}
    failures, num_cells, longest = [], 0, 0.0
    cells = REHEARSED_CELLS if task.rehearse else CELLS
    for batch_size, precision in cells:
        if task.seconds_left < max(LONGER * longest, LEAST_SECONDS):
            break
        begun = time.monotonic()
        failures += measure_cell(task, batch_size, precision, peak_flops=rates["NHWC"])
        num_cells += 1
        longest = max(longest, time.monotonic() - begun)
        if any("CUDA error" in failure for failure in failures):  # nothing more can be computed in this process
            break
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    results = {"device": device_name(), "cells": num_cells, "of": len(cells), "tf32": torch.backends.cudnn.allow_tf32}
    if not num_cells:
        failures.append("no time was left to measure anything")
    if failures:
        raise StageError("\n\n".join(failures), results)
    return results


def kinds_of(batch_size: int, precision: str, without: tuple[str, ...]) -> list[str]:
    """The kinds of step that are compared there; the textbook's loop has no fp16."""
    kinds = ["plain", "iteration", *(["generator"] if batch_size == 8 else [])]
    if "capture" in without:
        kinds = ["plain"]
    return kinds + (["textbook"] if precision != "fp16" else [])


def measure_cell(task: Task, batch_size: int, precision: str, *, peak_flops: float | None) -> list[str]:
    """Time the kinds of one batch size and precision in turn and write a line for each; failures but for memory."""
    head = {"batch_size": batch_size, "precision": precision, "device": device_name()}
    if (
        precision == "bf16"
        and torch.cuda.is_available()
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        task.append("cell", **head, kind="all", failure="this GPU has no bf16")
        return []
    words = (f"batch_size={batch_size}", f"precision={precision}", *switches.settings(task.without))
    forget_precision()
    failures = []
    with ExitStack() as stack:
        every: dict[str, Timed] = {}
        for kind in kinds_of(batch_size, precision, task.without):
            every[kind] = _prepare(kind, words, stack, task)
        good = {kind: timed for kind, timed in every.items() if timed.step}
        share = (0.5 if task.rehearse else 0.7) * task.seconds_left
        deadline = time.monotonic() + share
        rounds, steps = (1, 1) if task.rehearse else (NUM_ROUNDS, STEPS_A_ROUND)
        time_in_turn(good, num_rounds=rounds, steps_a_round=steps, until=lambda: time.monotonic() > deadline)
        _count(every)
        for timed in every.values():
            task.append("cell", **head, **timed.row(batch_size=batch_size, peak_flops=peak_flops))
            if timed.failure and "out of memory" not in timed.failure:
                failures.append(f"batch {batch_size}, {precision}, {timed.kind}:\n{timed.failure}")
    return failures


def _prepare(kind: str, words: tuple[str, ...], stack: ExitStack, task: Task) -> Timed:
    settings = settings_of(*words, rehearse=task.rehearse)
    try:
        if kind == "textbook":
            return prepared(kind, lambda: textbook_step(settings), num_warm=1 if task.rehearse else 2)
        return prepared(kind, lambda: our_step(settings, MODES[kind], stack), num_warm=5 if task.rehearse else NUM_WARM)
    except Exception:  # noqa: BLE001  its line says so, and the other kinds are measured
        return Timed(kind, failure=traceback.format_exc())


def _count(kinds: dict[str, Timed]) -> None:
    """Kernel time of each kind; FLOPs are counted on the plain step and hold for all of ours."""
    for kind, timed in kinds.items():
        if timed.step is None or timed.failure:
            continue
        try:
            timed.busy_seconds = kernel_seconds(timed.step)
            if kind == "plain":
                timed.flops = flops_of(timed.step)
        except Exception:  # noqa: BLE001  the times stand without it
            timed.not_counted = traceback.format_exc()
    if plain := kinds.get("plain"):
        for kind in kinds.keys() & MODES.keys():
            kinds[kind].flops = plain.flops


def ceiling(task: Task, layout: str) -> float:
    """FLOPs a second of the step's commonest convolution, 3x3 from 256 to 256 channels at 64x64, in bf16."""
    shape = REHEARSED_SHAPE if task.rehearse else CEILING_SHAPE
    num, channels, height, width = shape
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = torch.channels_last if layout == "NHWC" else torch.contiguous_format
    maps = torch.randn(shape, device=device, dtype=torch.bfloat16).to(memory_format=kind)
    kernel = torch.randn(channels, channels, 3, 3, device=device, dtype=torch.bfloat16).to(memory_format=kind)
    repeats = 2 if task.rehearse else 50
    best = float("inf")
    with torch.no_grad():
        for _ in range(2 if task.rehearse else 6):  # the first chooses the kernel
            wait()
            begun = time.perf_counter()
            for _ in range(repeats):
                torch.nn.functional.conv2d(maps, kernel, padding=1)
            wait()
            best = min(best, (time.perf_counter() - begun) / repeats)
    rate = 2 * num * channels * channels * 9 * height * width / best
    task.append("ceiling", device=device_name(), layout=layout, tflops=round(rate / 1e12, 4), shape=list(shape))
    return rate
