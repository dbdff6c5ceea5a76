"""Drawing on a CPU against onnxruntime on the exported model: `python -m bench.drawing`.

The generator is the demo's (configs/demo.yaml), with random weights: speed does not see values. Ours is what a user
gets from a run; theirs is onnxruntime's session, as its documentation starts it, on the `.onnx` of the same generator,
with the pixels turned into numbers and back by numpy. `python -m bench.drawing HEIGHT WIDTH` draws one picture of that
size by itself and tells what it took; with another checkout's PYTHONPATH it tells of that version.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import onnxruntime
import torch

from bench.processes import ROOT, peak
from bench.ratios import Measured, publish, show, summarise, time_in_turn
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.cpu.cores import num_usable_cores
from cartoon_dist.export.onnx_model import to_onnx
from cartoon_dist.image.decode import Picture
from cartoon_dist.inference.batched import Cartoonizer, torch_cartoonizer
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import networks_from_config
from cartoon_dist.runs.export_file import ExportMetadata

PAIRS = {256: 9, 1000: 5}
"""By the side of a square picture."""
IN_A_ROW = {256: 10, 1000: 1}
"""So many calls are one measurement: after a call threads wait busily for the next, and slow whoever comes then."""
GOAL = 1.0


def main() -> Iterator[Measured]:
    """onnxruntime's time over ours, larger is better."""
    use_all_cores()
    settings = demo_settings()
    generator = demo_generator(settings)
    content = to_onnx(generator, ExportMetadata(settings=settings, weights="ema", step=1, is_warmup=False))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    cartoonizer = torch_cartoonizer(generator, torch.device("cpu"), megapixels=1.0)
    for side, num in PAIRS.items():
        picture = noise(side, side)
        ours, theirs = partial(cartoonizer.cartoonize, [picture]), partial(drawn_by, session, picture)
        difference = np.abs(np.subtract(ours()[0], theirs(), dtype=np.int16)).max()
        if difference > 1:
            raise RuntimeError(f"{side} px: the drawings differ by {difference} of 255")
        in_a_row = [partial(repeated, draw, IN_A_ROW[side]) for draw in (theirs, ours)]
        pairs = [time_in_turn(*in_a_row) for _ in range(num)]
        yield summarise(
            pairs,
            name=f"draw_{side}_vs_onnxruntime",
            goal=GOAL,
            better="higher",
            against="onnxruntime on the exported model, its time over ours",
        )


def drawn_by(session: onnxruntime.InferenceSession, picture: Picture) -> Picture:
    """A picture's cartoon, as a few lines around a session make it."""
    photo = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 127.5 - 1
    [generated] = session.run(None, {"photo": photo})
    pixels = np.clip(np.rint((generated[0] + 1) * 127.5), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 0))


def repeated(draw: Callable[[], object], times: int) -> None:
    """Call it so often."""
    for _ in range(times):
        draw()


def demo_settings() -> TrainSettings:
    """The demo's."""
    return read(TrainSettings, [ROOT / "configs/demo.yaml"], [], run_dir="runs/bench")


def demo_generator(settings: TrainSettings) -> CartoonGenerator:
    """The config's generator with its initial weights."""
    generator = networks_from_config.initial_networks(settings)["generator"]
    assert isinstance(generator, CartoonGenerator)
    return generator.eval().requires_grad_(requires_grad=False)


def noise(height: int, width: int) -> Picture:
    """A picture."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def draw_alone(height: int, width: int, cartoonizer: Cartoonizer) -> None:
    """Draw one picture and print seconds by the clock, of processor time, and the most memory of the process."""
    picture = noise(height, width)
    clock, work = time.perf_counter(), time.process_time()
    cartoonizer.cartoonize([picture])
    took = f"{time.perf_counter() - clock:.1f} s, {time.process_time() - work:.1f} s of processor time"
    show(f"{width} x {height}: {took}, peak {peak():.0f} MB")


def use_all_cores() -> None:
    """As a user's command does: the package `bench` sets one thread, and onnxruntime takes all cores by itself."""
    torch.set_num_threads(num_usable_cores())


if __name__ == "__main__":
    if len(sys.argv) == 3:
        use_all_cores()
        made = demo_generator(demo_settings())
        draw_alone(int(sys.argv[1]), int(sys.argv[2]), torch_cartoonizer(made, torch.device("cpu"), megapixels=1.0))
    else:
        publish(main())
