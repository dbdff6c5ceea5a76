"""AnimeGAN's steps: which losses reach which weights, at what weight, and when the spectral norms move."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.config.train import OptimizerSettings
from cartoon_dist.methods.animegan import AnimeGANLossWeights, animegan, scaled_features
from cartoon_dist.methods.cartoongan import perceptual_loss
from cartoon_dist.methods.method import Method
from cartoon_dist.models.animegan import AnimeDiscriminator, AnimeGenerator
from cartoon_dist.models.spectral import SpectralConvolution
from cartoon_dist.models.vgg import VGG
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.state import TrainState, initial_state
from tests.train.one_step import as_bytes, gan_step, warmup_step

WEIGHTS = AnimeGANLossWeights(adversarial=300.0, style=3.0, colour=10.0, smoothed=0.1)
SCALE = 50.0


def make(*, compares: bool = True) -> tuple[Method, VGG, Batch]:
    torch.manual_seed(0)
    features = VGG(network="vgg16", layer="conv1_2", vgg_input="imagenet").double()
    seen = partial(scaled_features, features=features, scale=SCALE)
    networks: dict[str, nn.Module] = {
        "generator": AnimeGenerator(channels=4, num_blocks=1).double(),
        "discriminator": AnimeDiscriminator(channels=4).double(),
    }
    method = animegan(
        networks=networks,
        extract_features=seen if compares else None,
        weights=WEIGHTS,
        warmup_name="content",
        warmup_loss=partial(perceptual_loss, features=seen),
    )
    pictures = torch.rand(4, 4, 3, 16, 16, dtype=torch.float64) * 2 - 1
    return method, features, Batch(pictures[0], pictures[1, :, :1], pictures[2], pictures[3])


def grey(pictures: Tensor) -> Tensor:
    """By the matrix."""
    return torch.einsum("nchw,c->nhw", pictures, pictures.new_tensor([0.299, 0.587, 0.114]))[:, None].repeat(1, 3, 1, 1)


def discriminator_loss(discriminator: nn.Module, batch: Batch, generated: Tensor) -> Tensor:
    """The description's, each kind logits for itself."""
    loss = ((discriminator(batch.cartoon) - 1) ** 2).mean() + (discriminator(generated) ** 2).mean()
    return 300 * (
        loss
        + (discriminator(grey(batch.cartoon)) ** 2).mean()
        + 0.1 * (discriminator(grey(batch.smoothed)) ** 2).mean()
    )


def generator_loss(discriminator: nn.Module, features: nn.Module, batch: Batch, generated: Tensor) -> Tensor:
    """The description's, picture by picture."""
    style = content = torch.zeros((), dtype=torch.float64)
    for photo, cartoon, output in zip(batch.photo, grey(batch.cartoon), generated, strict=True):
        ours, theirs, wanted = (SCALE * features(one[None])[0] for one in (output, photo, cartoon))
        content = content + (ours - theirs).abs().mean() / len(generated)
        grams = [torch.einsum("cyx,dyx->cd", one, one) / one.numel() for one in (ours, wanted)]
        style = style + (grams[0] - grams[1]).abs().mean() / len(generated)
    matrix = generated.new_tensor(
        [[0.299, 0.587, 0.114], [-0.14714119, -0.28886916, 0.43601035], [0.61497538, -0.51496512, -0.10001026]]
    )
    ours, theirs = (torch.einsum("nchw,dc->dnhw", (one + 1) / 2, matrix) for one in (generated, batch.photo))
    colour = (ours[0] - theirs[0]).abs().mean()
    colour = colour + sum(functional.huber_loss(ours[part], theirs[part]) for part in (1, 2))
    return 300 * ((discriminator(generated) - 1) ** 2).mean() + 1.5 * content + 3 * style + 10 * colour


def test_the_terms_are_the_descriptions() -> None:
    method, features, batch = make()
    output, discriminator = method.generate(method.networks, batch), method.networks["discriminator"]
    losses = method.losses["discriminator"](method.networks, batch, output, 1.5)
    expected = discriminator_loss(discriminator, batch, output.generated)
    assert losses.total().item() == pytest.approx(expected.item(), rel=1e-9)
    assert losses.figures["d/grey"].item() == pytest.approx(discriminator(grey(batch.cartoon)).mean().item(), rel=1e-9)
    assert losses.figures["d/smoothed"].item() == pytest.approx(
        discriminator(grey(batch.smoothed)).mean().item(), rel=1e-9
    )
    losses = method.losses["generator"](method.networks, batch, output, 1.5)
    assert {name: term.weight for name, term in losses.terms.items()} == {
        "adversarial_g": 300.0, "content": 1.5, "style": 3.0, "colour": 10.0
    }  # fmt: skip
    expected = generator_loss(discriminator, features, batch, output.generated)
    assert losses.total().item() == pytest.approx(expected.item(), rel=1e-9)


def test_without_features_there_is_neither_content_nor_style() -> None:
    method, _, batch = make(compares=False)
    losses = method.losses["generator"](method.networks, batch, method.generate(method.networks, batch), 0.0)
    assert losses.terms.keys() == {"adversarial_g", "colour"}


def test_the_warm_up_is_content_alone() -> None:
    method, features, batch = make()
    output = method.generate_warmup(method.networks, batch)
    losses = method.warmup_losses(batch, output)
    assert losses.terms.keys() == {"content"}
    expected = SCALE * (features(output.generated) - features(batch.photo)).abs().mean()
    assert losses.total().item() == pytest.approx(expected.item(), rel=1e-9)


def prepared(engine: Engine) -> tuple[Method, VGG, TrainState, Batch]:
    method, features, batch = make()
    state = initial_state(method.networks, OptimizerSettings())
    engine.prepare(state)
    engine.set_learning_rates({"generator": 1e-4, "discriminator": 2e-4})
    return method, features, state, as_bytes(batch)


def test_an_iteration_is_the_textbooks() -> None:
    """D's norms move once, then D learns; G is logits by the norms as they are and D's new weights."""
    engine = Engine(precision="fp64")
    method, features, state, batch = prepared(engine)
    batch = engine.to_float(batch)
    slow = deepcopy(state.networks)
    generator, discriminator = slow["generator"], slow["discriminator"]
    of_g, of_d = (
        torch.optim.Adam(network.parameters(), lr=rate, betas=(0.5, 0.999))
        for network, rate in ((generator, 1e-4), (discriminator, 2e-4))
    )
    for _ in range(3):
        gan_step(method, engine, state, as_bytes(batch), 1.5)
        for module in discriminator.modules():
            if isinstance(module, SpectralConvolution):
                module.power_iteration()
        for optimizer, loss in (
            (of_d, lambda: discriminator_loss(discriminator, batch, generator(batch.photo).generated.detach())),
            (of_g, lambda: generator_loss(discriminator, features, batch, generator(batch.photo).generated)),
        ):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    for name, network in state.networks.items():
        for (key, fast), expected in zip(network.state_dict().items(), slow[name].state_dict().values(), strict=True):
            assert (fast - expected).abs().max() < 1e-9, (name, key)


def test_a_batch_in_parts_teaches_what_it_does_as_one() -> None:
    held = []
    for num_parts in (1, 2, 4):
        engine = Engine(precision="fp64")
        method, _, state, batch = prepared(engine)
        for _ in range(3):
            gan_step(method, engine, state, batch, 1.5, num_parts=num_parts)
        held.append({f"{k}/{name}": w.clone() for k, n in state.tensors().items() for name, w in n.items()})
    assert any(name.endswith(".u") for name in held[0])
    for other in held[1:]:
        # Gradients are hundreds of times those of other methods here, and Adam's second moments their squares.
        assert all(torch.allclose(other[name], held[0][name], rtol=1e-9, atol=1e-9) for name in other)


def test_the_norms_move_in_the_discriminators_update_alone() -> None:
    engine = Engine(precision="fp64")
    method, _, state, batch = prepared(engine)
    before = deepcopy(state.networks["discriminator"].state_dict())
    warmup_step(method, engine, state, batch)
    after = state.networks["discriminator"].state_dict()
    assert all(torch.equal(before[name], held) for name, held in after.items())
    floats = engine.to_float(batch)
    output = method.generate(state.networks, floats)
    for name in method.order:
        with engine.training(name) as networks:
            method.losses[name](networks, floats, output, 1.5)
    assert all(torch.equal(before[name], held) for name, held in after.items())
    gan_step(method, engine, state, batch, 1.5)
    assert not torch.equal(before["layers.3.conv.u"], state.networks["discriminator"].state_dict()["layers.3.conv.u"])
