"""Stage `compiled`: the norm with all around it by torch's operations, by the fused one, and by torch.compile of the
first: milliseconds forward and backward by shape, and how long each takes to start."""

import time
import traceback
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from bench.gpu_proof.task import StageError, Task
from bench.gpu_proof.timing import device_name, wait
from cartoon_dist.gpu import layout, switch
from cartoon_dist.gpu.fused_norm import instance_norm

SHAPES: tuple[tuple[int, ...], ...] = ((8, 64, 256, 256), (8, 128, 128, 128), (8, 256, 64, 64))
"""Of the generator at batch 8, 256 px."""
REHEARSED_SHAPES = ((1, 8, 12, 16),)
Norm = Callable[[Tensor, Tensor, Tensor], Tensor]
NUM_TIMES, EPSILON = 30, 1e-5


def norm(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A norm, ReLU, and the next convolution's padding."""
    return instance_norm(maps, weight=weight, bias=bias, epsilon=EPSILON, activation="relu", reflect=1)


def run(task: Task) -> dict[str, Any]:
    """What was measured; StageError where a way failed, the others are measured all the same."""
    failures, num_done, first = [], 0, True
    # A CPU's compiler takes a minute for what a rehearsal does not want to know.
    shapes, backend, num_times = SHAPES, "inductor", NUM_TIMES
    if task.rehearse:
        shapes, backend, num_times = REHEARSED_SHAPES, "aot_eager", 2
    for shape in shapes:
        for way, make in WAYS.items():
            if task.seconds_left < 3:
                break
            try:
                fields = _measure(partial(make, backend), shape, num_times=num_times)
            except Exception:  # noqa: BLE001  its line says so
                fields = {"failure": traceback.format_exc()}
                failures.append(f"{way}, {shape}:\n{fields['failure']}")
            task.append("compiled", device=device_name(), way=way, shape=list(shape), is_first=first, **fields)
            num_done += 1
        first = False
    results = {"device": device_name(), "cells": num_done, "of": len(shapes) * len(WAYS)}
    if failures:
        raise StageError("\n\n".join(failures), results)
    return results


def _by_torch(_backend: str) -> Norm:
    def plain(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        with switch.disabled("fused_norm"):
            return norm(maps, weight, bias)

    return plain


def _by_compile(backend: str) -> Norm:
    def plain(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        normed = torch.nn.functional.instance_norm(maps, weight=weight, bias=bias, eps=EPSILON)
        return torch.nn.functional.pad(torch.relu(normed), (1, 1, 1, 1), mode="reflect")

    torch._dynamo.reset()
    compiled: Norm = torch.compile(plain, fullgraph=True, dynamic=False, backend=backend)
    return compiled


WAYS: dict[str, Callable[[str], Norm]] = {
    "torch's operations": _by_torch,
    "the fused operation": lambda _backend: norm,
    "torch.compile": _by_compile,
}


def _measure(make: Callable[[], Norm], shape: tuple[int, ...], *, num_times: int) -> dict[str, Any]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    maps = torch.randn(shape, device=device, dtype=torch.bfloat16).to(memory_format=layout.memory_format(device))
    maps.requires_grad_()
    weight, bias = (torch.randn(shape[1], device=device, dtype=torch.bfloat16, requires_grad=True) for _ in range(2))
    wait()
    begun = time.perf_counter()
    way = make()
    gradient = torch.randn_like(way(maps, weight, bias))

    def both() -> None:
        torch.autograd.grad(way(maps, weight, bias), (maps, weight, bias), gradient)

    both()
    wait()
    start = time.perf_counter() - begun
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(num_times):
            both()
        wait()
        seconds.append((time.perf_counter() - begun) / num_times)
    return {"start_seconds": round(start, 3), "ms": round(median(seconds) * 1e3, 4)}
