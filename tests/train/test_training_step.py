"""One iteration of the loop, against the textbook's: every forward anew, plain autograd, plain Adam."""

from collections import Counter
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from cartoon_dist.config.train import OptimizerSettings
from cartoon_dist.methods.method import Method
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.state import TrainState, initial_state
from tests.methods.test_cartoongan import make
from tests.train.one_step import as_bytes, gan_step, warmup_step

RATE = 1e-4


@pytest.fixture
def engine() -> Engine:
    return Engine(precision="fp64")


def prepared(engine: Engine) -> tuple[Method, TrainState, Batch]:
    method, batch = make()
    for network in method.networks.values():
        engine.place(network)
    method.losses["generator"].keywords["content"].keywords["features"].double()  # type: ignore[attr-defined]
    state = initial_state(method.networks, OptimizerSettings())
    engine.prepare(state)
    engine.set_learning_rates({"generator": RATE, "discriminator": RATE})
    return method, state, as_bytes(batch)


def textbook(networks: dict[str, nn.Module], features: nn.Module, batch: Batch, steps: int) -> None:
    """The paper's iteration, written down as slowly as it reads."""
    generator, discriminator = networks["generator"], networks["discriminator"]
    adams = {k: torch.optim.Adam(v.parameters(), lr=RATE, betas=(0.5, 0.999), fused=False) for k, v in networks.items()}
    for _ in range(steps):
        generated = generator(batch.photo).generated.detach()
        real, fake, edges = discriminator(batch.cartoon), discriminator(generated), discriminator(batch.smoothed)
        loss = ((real - 1) ** 2).mean() + (fake**2).mean() + (edges**2).mean()
        descend(adams["discriminator"], loss)
        drawing = generator(batch.photo)
        loss = ((discriminator(drawing.generated) - 1) ** 2).mean()
        loss = loss + 0.25 * (features(drawing.generated) - features(batch.photo)).abs().mean()
        loss = loss + 2.0 * (drawing.saliency - batch.saliency).abs().mean()
        descend(adams["generator"], loss)


def descend(optimizer: torch.optim.Adam, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def test_an_iteration_is_the_textbooks(engine: Engine) -> None:
    method, state, batch = prepared(engine)
    slow = deepcopy(state.networks)
    features = method.losses["generator"].keywords["content"].keywords["features"]  # type: ignore[attr-defined]
    textbook(slow, features, engine.to_float(batch), steps=3)
    for _ in range(3):
        gan_step(method, engine, state, batch, 0.25)
    for name, network in state.networks.items():
        for (key, fast), expected in zip(network.state_dict().items(), slow[name].state_dict().values(), strict=True):
            assert (fast - expected).abs().max() < 1e-9, (name, key)


@pytest.mark.parametrize("phase", ["gan", "warmup"])
def test_a_batch_in_parts_teaches_what_it_does_as_one(engine: Engine, phase: str) -> None:
    outputs, weights = [], []
    for num_parts in (1, 2, 4):
        method, state, batch = prepared(engine)
        batch = Batch(*(torch.cat([part, 255 - part.flip(0)]) for part in batch))
        assert len(batch.photo) == 4
        # Adam makes full steps of the round-off in biases before a norm: small ones keep it under the limit, and the
        # moments, compared too, show every difference at its full size.
        engine.set_learning_rates({"generator": 5e-5, "discriminator": 5e-5})
        run = partial(gan_step, content_weight=0.25) if phase == "gan" else warmup_step
        outputs.append([run(method, engine, state, batch, num_parts=num_parts) for _ in range(3)])
        weights.append({f"{k}/{name}": w.clone() for k, n in state.tensors().items() for name, w in n.items()})
    for others, held in zip(outputs[1:], weights[1:], strict=True):
        assert max((held[name] - weight).abs().max().item() for name, weight in weights[0].items()) < 1e-9
        for mine, theirs in zip(outputs[0], others, strict=True):
            assert mine.figures.keys() == theirs.figures.keys()
            for name, figure in mine.figures.items():
                assert theirs.figures[name].item() == pytest.approx(figure.item(), abs=1e-9), name


def test_in_parts_only_one_part_is_held_for_the_backward(engine: Engine) -> None:
    method, state, batch = prepared(engine)
    batch = Batch(*(torch.cat([part, part]) for part in batch))
    drawn: list[tuple[int, bool]] = []
    state.networks["generator"].register_forward_hook(
        lambda _network, given, drawing: drawn.append((len(given[0]), drawing.generated.requires_grad))
    )
    gan_step(method, engine, state, batch, 0.25, num_parts=2)
    assert drawn == [(2, False), (2, False), (2, True), (2, True)]


def test_the_generator_draws_once_and_the_photo_is_seen_once_by_each(engine: Engine) -> None:
    method, state, batch = prepared(engine)
    forwards: Counter[str] = Counter()
    features = method.losses["generator"].keywords["content"].keywords["features"]  # type: ignore[attr-defined]
    for name, network in {**state.networks, "features": features}.items():
        network.register_forward_hook(lambda *_, name=name: forwards.update([name]))
    gan_step(method, engine, state, batch, 0.25)
    # D judges the three kinds in one forward, then G's drawing anew with its new weights; VGG sees photo and drawing.
    assert forwards == {"generator": 1, "discriminator": 2, "features": 2}


def test_each_step_gathers_gradients_for_its_own_network(engine: Engine) -> None:
    method, state, batch = prepared(engine)
    discriminator = state.networks["discriminator"]
    batch = engine.to_float(batch)
    drawing = method.generate(state.networks, batch)
    with engine.training("generator") as networks:
        losses = method.losses["generator"](networks, batch, drawing, 0.25)
    engine.backward("generator", losses.total())
    engine.optimizer_step("generator")
    assert all(weight.grad is None for weight in discriminator.parameters())
    assert all(weight.requires_grad for weight in discriminator.parameters())


def test_the_warm_up_leaves_the_discriminator_as_it_is(engine: Engine) -> None:
    method, state, batch = prepared(engine)
    before = deepcopy(state.networks["discriminator"].state_dict())
    output = warmup_step(method, engine, state, batch)
    assert output.figures.keys() == {"loss/pixel", "loss/saliency"}
    after = state.networks["discriminator"].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
