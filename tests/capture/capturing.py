"""Small training steps to record, plain or with a fault planted, and how far two of them are apart."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from unittest.mock import patch

import torch
from accelerate.state import AcceleratorState
from torch import Tensor

from cartoon_dist.capture.checks import random_batch
from cartoon_dist.commands.check_capture import built
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import CaptureSettings, TrainSettings
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.phase import StepLog
from tests.running import ROOT

ROWS = ("cartoongan", "sal", "sal_cbam", "ressal_cbam")
PLAIN = CaptureSettings()
WORDS = ["image_size=16", "model.channels=2", "loss.content.layer=conv1_2", "loss.content.network=vgg16"]
WORDS += ["model.num_blocks=1", "optimizer.clip=5"]


def settings(row: str, *words: str) -> TrainSettings:
    """The settings of a row of Table 1, very small."""
    return read(TrainSettings, [ROOT / f"configs/ablation/{row}.yaml"], [*WORDS, *words], run_dir="none")


def capture(mode: str, *, require: bool = True) -> CaptureSettings:
    return CaptureSettings(mode=mode, warmup_steps=2, require=require)  # type: ignore[arg-type]


def training_step(
    of: TrainSettings, how: CaptureSettings, plant: Callable[[TrainingStep], None] = lambda _: None
) -> TrainingStep:
    """The step of these settings, always from the same weights, with a fault planted before the first step."""
    # Else one process knows one precision and one device.
    AcceleratorState._reset_state(reset_partial_state=True)
    engine = Engine(precision=of.precision, clip=of.optimizer.clip, recordable=how.mode != "none")
    made = built(of, engine, how)
    plant(made)
    return made


def recorded_faster() -> AbstractContextManager[object]:
    """Recordings that leave out what torch notes down of each value's shape, which no replay reads.

    It takes three quarters of the time. test_train_capture.py records with it, as users do.
    """
    return patch("torch.fx.experimental.proxy_tensor.extract_val", lambda *_, **__: None)


def batch(number: int, *, size: int = 16, count: int = 4) -> Batch:
    """Bytes that are other ones in each step."""
    return random_batch(size, count, number)


def run_step(made: TrainingStep, number: int, *, phase: str = "gan", given: Batch | None = None) -> StepLog:
    """One step with rates and weights of its own."""
    made.scalars.set(content_weight=0.5 / (1 + number), ema_share=0.9 / (1 + number))
    made.engine.set_learning_rates({"generator": 1e-3 / (1 + number), "discriminator": 2e-3 / (1 + number)})
    return made(phase, made.engine.to_device(given or batch(number)))


def train(made: TrainingStep, num_steps: int, *, num_warmup: int = 0, first: int = 0) -> list[dict[str, float]]:
    """Steps first..num_steps-1 of a warm-up, then of a GAN; each step's figures and weights."""
    told = []
    with made:
        for number in range(first, num_steps):
            if number == num_warmup > 0:
                made.engine.reset_optimizers()
            figures, weights = run_step(made, number, phase="warmup" if number < num_warmup else "gan")
            told.append({name: value.item() for name, value in sorted(figures.items())} | weights)
    return told


def differing(one: TrainingStep, other: TrainingStep) -> list[str]:
    """The tensors of the state that are not the same to the bit."""
    expected, found = one.state.tensors(), other.state.tensors()
    assert {kind: named.keys() for kind, named in expected.items()} == {k: named.keys() for k, named in found.items()}
    return [
        f"{kind}.{name}"
        for kind, named in expected.items()
        for name, tensor in named.items()
        if not torch.equal(tensor, found[kind][name])
    ]


def largest_difference(one: TrainingStep, other: TrainingStep) -> float:
    """Of any tensor but the biases before an instance norm: these have no true gradient, and Adam makes steps of their
    round-off. Their moments are compared."""
    return largest_difference_of(flat(one), flat(other))[0]


def largest_difference_of(expected: dict[str, Tensor], found: dict[str, Tensor]) -> tuple[float, str]:
    """As `largest_difference`, of two states' tensors as `flat` names them, and which tensor it is of."""
    assert expected.keys() == found.keys()
    without_gradient = {
        name.removeprefix("optimizer-").removesuffix(":exp_avg")
        for name, held in expected.items()
        if name.endswith("bias:exp_avg") and held.abs().max() < 1e-12
    }
    assert without_gradient
    skipped = without_gradient | {name.replace("generator/", "ema/") for name in without_gradient}
    apart = {name: (held - found[name]).abs().max().item() for name, held in expected.items() if name not in skipped}
    worst = max(apart, key=lambda name: apart[name])
    return apart[worst], worst


def flat(made: TrainingStep) -> dict[str, Tensor]:
    """All tensors of the state in host memory, as KIND/NAME."""
    return {
        f"{kind}/{name}": held.cpu() for kind, named in made.state.tensors().items() for name, held in named.items()
    }
