"""Stage `drawing`: pictures a second of the paper's generator: batches of 256 px, a folder with its decoding and
encoding, 12 megapixels; the share of the ceiling, and how far bf16 is from fp32."""

import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch

from bench.gpu_proof.speed import ceiling
from bench.gpu_proof.task import StageError, Task
from bench.gpu_proof.timing import device_name, flops_of, settings_of, wait
from cartoon_dist.config.commands import Precision
from cartoon_dist.cpu.beside import InOrder, map_ahead, num_threads_beside
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.image.encode import encode
from cartoon_dist.inference.batched import Cartoonizer, batch_by_size, torch_cartoonizer
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import networks_from_config

SIDE, LARGE, MEGAPIXELS = 256, (3000, 4000), 1.0
NUM_BATCHES, NUM_FILES = 24, 480
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def run(task: Task) -> dict[str, Any]:
    """The parts that were measured; StageError where one failed. TF32 is off, as in the command."""
    side, large, megapixels = (32, (48, 64), 0.002) if task.rehearse else (SIDE, LARGE, MEGAPIXELS)
    failures: list[str] = []
    rate = ceiling(task, "NHWC")
    drawn: dict[str, Picture] = {}
    with without_tf32():
        for precision in PRECISIONS:
            measured: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = (
                (f"{side} px", lambda p=precision: _batches(task, p, side, megapixels, rate, drawn)),  # type: ignore[misc]
                ("a folder", lambda p=precision: _folder(task, p, side, megapixels)),  # type: ignore[misc]
                (f"{large[0] * large[1] / 1e6:.3g} MP", lambda p=precision: _large(p, large, megapixels)),  # type: ignore[misc]
            )
            for what, measure in measured:
                if task.seconds_left < 3:
                    break
                try:
                    fields = measure()
                except Exception:  # noqa: BLE001  its line says so, and the others are measured
                    failures.append(f"{what}, {precision}:\n{traceback.format_exc()}")
                    fields = {"failure": traceback.format_exc()}
                task.append("drawing", device=device_name(), what=what, precision=precision, **fields)
    if failures:
        raise StageError("\n\n".join(failures), {"device": device_name()})
    return {"device": device_name()}


def _generator(task: Task | None, *, rehearse: bool = False) -> CartoonGenerator:
    settings = settings_of(rehearse=task.rehearse if task else rehearse)
    made = networks_from_config.initial_networks(settings)["generator"]
    assert isinstance(made, CartoonGenerator)
    return made.eval().requires_grad_(requires_grad=False)


def _cartoonizer(precision: Precision, megapixels: float) -> Cartoonizer:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = _generator(None, rehearse=device.type == "cpu")
    return torch_cartoonizer(generator, device, megapixels=megapixels, precision=precision)


def _noise(num: int, height: int, width: int) -> list[Picture]:
    """Pictures that are smooth over a few pixels, as photos are."""
    made = np.random.default_rng(0)
    coarse = [made.integers(0, 256, (height // 8, width // 8, 3), np.uint8) for _ in range(num)]
    return [cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC) for picture in coarse]


def _batches(
    task: Task, precision: Precision, side: int, megapixels: float, rate: float, drawn: dict[str, Picture]
) -> dict[str, Any]:
    """Full batches through the drawing, copies included, the next one begun before one is waited for."""
    cartoonizer = _cartoonizer(precision, megapixels)
    batch = _noise(max(1, cartoonizer.max_batch_pixels // side**2), side, side)
    num = 2 if task.rehearse else NUM_BATCHES
    _draw_all(cartoonizer, [batch] * 4)  # plain, plain, recorded, replayed
    seconds = []
    for _ in range(1 if task.rehearse else 3):
        begun = time.perf_counter()
        drawings = _draw_all(cartoonizer, [batch] * num)
        seconds.append((time.perf_counter() - begun) / num)
    middle = median(seconds)
    fields: dict[str, Any] = {
        "batch_size": len(batch),
        "ms": round(middle * 1e3, 3),
        "images_per_second": round(len(batch) / middle, 2),
    }
    if precision == "bf16":
        generator = _generator(task)
        photo = torch.zeros(1, 3, side, side)
        fields["share_of_ceiling"] = round(flops_of(lambda: generator(photo)) * len(batch) / rate / middle, 4)
    drawn[precision] = drawings[0]
    if len(drawn) == len(PRECISIONS):
        difference = np.abs(drawn["bf16"].astype(int) - drawn["fp32"])
        fields |= {"largest_difference": int(difference.max()), "mean_difference": round(float(difference.mean()), 3)}
    return fields


def _draw_all(cartoonizer: Cartoonizer, batches: Sequence[list[Picture]]) -> list[Picture]:
    """The drawings of the last batch."""
    under_way: list[Callable[[], list[Picture]]] = []
    drawings: list[Picture] = []
    for batch in batches:
        under_way.append(cartoonizer.start(batch))
        if len(under_way) > 1:
            drawings = under_way.pop(0)()
    return under_way.pop()() if under_way else drawings


def _large(precision: Precision, shape: tuple[int, int], megapixels: float) -> dict[str, Any]:
    """One picture, the second time: as large as it is in one piece, or in strips, as the free memory allows."""
    cartoonizer, on_gpu = _cartoonizer(precision, megapixels), torch.cuda.is_available()
    [photo] = _noise(1, *shape)
    passes: list[int] = []
    cartoonizer.cartoonize([photo])
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    wait()
    begun = time.perf_counter()
    cartoonizer.cartoonize([photo], on_pass=lambda _done, of: passes.append(of))
    seconds = time.perf_counter() - begun
    peak = round(torch.cuda.max_memory_allocated() / 2**20) if on_gpu else None
    return {"ms": round(seconds * 1e3, 3), "passes": max(passes, default=1), "peak_mib": peak, "batch_size": 1}


def _folder(task: Task, precision: Precision, side: int, megapixels: float) -> dict[str, Any]:
    """JPEGs in memory: decoded ahead, drawn, encoded behind, as the command does it."""
    cartoonizer = _cartoonizer(precision, megapixels)
    files = [encode(picture, "jpg") for picture in _noise(8, side, side)] * (1 if task.rehearse else NUM_FILES // 8)
    num_threads = num_threads_beside(leaves_the_cpu_free=cartoonizer.leaves_the_cpu_free)
    encoded: list[bytes] = []
    with ThreadPoolExecutor(num_threads) if num_threads else nullcontext() as pool:
        for _ in range(2):  # the first records
            begun = time.perf_counter()
            encoding = InOrder(pool, encoded.append, max_waiting=2 * num_threads)
            decoded = map_ahead(
                lambda data: (None, decode(data, max_megapixels=1)), files, pool, cost=lambda _: 1, max_cost=200
            )
            under_way: list[Callable[[], list[Picture]]] = []

            def finish(drawings: Callable[[], list[Picture]], encoding: InOrder[bytes] = encoding) -> None:
                for drawing in drawings():
                    encoding.add(lambda drawing=drawing: encode(drawing, "jpg"))  # type: ignore[misc]

            for batch in batch_by_size(decoded, max_pixels=cartoonizer.max_batch_pixels):
                under_way.append(cartoonizer.start([picture for _, picture in batch]))
                if len(under_way) > 1:
                    finish(under_way.pop(0))
            for drawings in under_way:
                finish(drawings)
            encoding.finish()
            seconds = time.perf_counter() - begun
    assert len(encoded) == 2 * len(files)
    return {"images_per_second": round(len(files) / seconds, 2), "threads": num_threads}
