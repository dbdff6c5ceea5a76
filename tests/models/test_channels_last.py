"""A step as a GPU runs it, in channels_last with fused norms, on the CPU: nothing changes the layout on the way, and
the numbers are those of a step in NCHW."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor

from cartoon_dist.capture.checks import random_batch
from cartoon_dist.commands.check_capture import built
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.cpu import switch as own_convolutions
from cartoon_dist.gpu import layout, switch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.loop import TrainingStep
from tests.capture.capturing import PLAIN, capture, differing, recorded_faster
from tests.models.layout_copies import as_the_loader_gives_it, count_in_step
from tests.running import ROOT

METHODS = ("ablation/ressal_cbam", "ablation/sal", "baseline/animegan", "baseline/whitebox")
WORDS = ["image_size=16", "model.channels=8", "loss.content.layer=conv2_2", "loss.content.network=vgg16"]
WORDS += ["model.num_blocks=2", "data.num_workers=0"]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _convolutions_of_torch() -> Iterator[None]:
    with own_convolutions.disabled():
        yield


def step_of(method: str, precision: str = "fp32", how: object = PLAIN) -> TrainingStep:
    """The method's step, very small, always from the same weights; in the layout of the block that it is made in."""
    AcceleratorState._reset_state(reset_partial_state=True)
    settings = read(
        TrainSettings, [ROOT / f"configs/{method}.yaml"], [*WORDS, f"precision={precision}"], run_dir="none"
    )
    engine = Engine(precision=precision, recordable=how is not PLAIN, device="cpu")
    return built(settings, engine, how)  # type: ignore[arg-type]


def run(step: TrainingStep, phase: str, number: int) -> None:
    step.scalars.set(content_weight=0.5, ema_share=0.25)
    step.engine.set_learning_rates(dict.fromkeys(step.state.networks, 1e-3))
    step(phase, as_the_loader_gives_it(random_batch(16, 2, number)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("phase", ["warmup", "gan"])
@pytest.mark.parametrize("method", METHODS)
def test_nothing_changes_the_layout_between_two_convolutions(method: str, phase: str, precision: str) -> None:
    with layout.forced():
        step = step_of(method, precision)
        step.scalars.set(content_weight=0.5, ema_share=0.25)
        copies = count_in_step(step, phase, as_the_loader_gives_it(random_batch(16, 2, 0)))
    assert copies.num["aten::convolution"] > 5
    assert copies.num["aten::convolution_backward"] > 5
    assert not copies.found


def test_without_the_fused_norm_the_layout_changes_and_is_found() -> None:
    with layout.forced(), switch.disabled("fused_norm"):
        step = step_of("ablation/ressal_cbam")
        copies = count_in_step(step, "gan", as_the_loader_gives_it(random_batch(16, 2, 0)))
    assert any(name.startswith("aten::convolution of") for name in copies.found)
    assert sum(copies.found.values()) > 50


def tensors(step: TrainingStep) -> dict[str, Tensor]:
    return {f"{kind}/{name}": held for kind, named in step.state.tensors().items() for name, held in named.items()}


def largest_difference(one: TrainingStep, other: TrainingStep) -> float:
    """Relative to the largest number of each tensor, or to 0.01 where all are smaller.

    A bias that another norm takes away again has a gradient of round-off, of which Adam makes steps: it is left out.
    """
    expected, found = tensors(one), tensors(other)
    assert expected.keys() == found.keys()
    without_gradient = {
        name.removeprefix("optimizer-").removesuffix(":exp_avg")
        for name, held in expected.items()
        if name.endswith("bias:exp_avg") and held.abs().max() < 1e-12
    }
    skipped = without_gradient | {name.replace("generator/", "ema/") for name in without_gradient}
    return max(
        ((held - found[name]).abs().max() / held.abs().max().clamp(min=1e-2)).item()
        for name, held in expected.items()
        if name not in skipped
    )


def lies_otherwise(step: TrainingStep) -> list[str]:
    """Weights that are not in channels_last, and moments in other strides than their weight's."""
    wrong = []
    for kind, network in step.state.networks.items():
        for name, weight in network.named_parameters():
            if weight.dim() == 4 and not weight.is_contiguous(memory_format=torch.channels_last):
                wrong.append(f"{kind}/{name}")
            for key, moment in step.state.optimizers[kind].state[weight].items():
                if key != "step" and moment.stride() != weight.stride():
                    wrong.append(f"{kind}/{name}:{key}")
    return wrong


def watch_gradients(step: TrainingStep, wrong: list[str]) -> None:
    """Before each update of a network, note gradients in other strides than their weight's."""
    for kind, optimizer in step.state.optimizers.items():

        def look(*_: object, kind: str = kind) -> None:
            for name, weight in step.state.networks[kind].named_parameters():
                if weight.grad is None or weight.grad.stride() != weight.stride():
                    wrong.append(f"{kind}/{name}")

        optimizer.register_step_pre_hook(look)


def in_layout(*, of_gpu: bool) -> AbstractContextManager[None]:
    return layout.forced() if of_gpu else nullcontext()


@pytest.mark.parametrize("method", METHODS)
def test_the_numbers_are_those_of_a_step_in_nchw_and_all_lies_alike(method: str) -> None:
    steps: list[TrainingStep] = []
    wrong: list[str] = []
    for of_gpu in (False, True):
        with in_layout(of_gpu=of_gpu):
            step = step_of(method, "fp64")
            if of_gpu:
                watch_gradients(step, wrong)
            for number, phase in enumerate(("warmup", "gan", "gan")):
                run(step, phase, number)
            steps.append(step)
    assert largest_difference(*steps) < 1e-10
    assert lies_otherwise(steps[1]) == wrong == []


@pytest.mark.parametrize("to_gpu", [False, True])
@pytest.mark.parametrize("method", ["ablation/ressal_cbam", "baseline/animegan"])
def test_a_checkpoint_of_one_layout_goes_on_in_the_other(method: str, *, to_gpu: bool) -> None:
    with in_layout(of_gpu=not to_gpu):
        one = step_of(method, "fp64")
        run(one, "gan", 0)
        saved = {kind: {n: held.clone() for n, held in named.items()} for kind, named in one.state.tensors().items()}
        run(one, "gan", 1)
    with in_layout(of_gpu=to_gpu):
        other = step_of(method, "fp64")
        other.state.load(1, saved)
        run(other, "gan", 1)
    assert largest_difference(one, other) < 1e-10
    assert bool(lies_otherwise(other)) is not to_gpu


@pytest.mark.parametrize("mode", ["generator", "iteration"])
@pytest.mark.parametrize("method", ["ablation/ressal_cbam", "baseline/animegan"])
def test_a_step_in_channels_last_is_replayed_to_the_bit(method: str, mode: str) -> None:
    with layout.forced(), recorded_faster():
        plain, recorded = step_of(method), step_of(method, how=capture(mode))
        with recorded:
            for number in range(5):
                for step in (plain, recorded):
                    run(step, "gan", number)
    assert differing(plain, recorded) == []
