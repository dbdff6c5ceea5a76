"""White-box's steps, as functions: the terms and their weights."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from cartoon_dist.losses.pixel import pixel_loss
from cartoon_dist.methods.animegan import scaled_features
from cartoon_dist.methods.method import Method
from cartoon_dist.methods.whitebox import ColourShift, WhiteboxLossWeights, whitebox
from cartoon_dist.models.guided import guided_filter
from cartoon_dist.models.vgg import VGG
from cartoon_dist.models.whitebox import WhiteboxDiscriminators, WhiteboxGenerator
from cartoon_dist.tensors import Batch

AREA = 524_288


def shift() -> ColourShift:
    """Always the same."""
    made = ColourShift(seed=0, device=torch.device("cpu"), dtype=torch.float64)
    made.weights = torch.tensor([0.3, 0.6, 0.1], dtype=torch.float64)
    return made


def flat(pictures: Tensor) -> Tensor:
    """Stands in for superpixels: each picture in one colour. It must not be asked for a gradient."""
    assert not pictures.requires_grad
    return pictures.mean((2, 3), keepdim=True).expand_as(pictures)


def not_asked(pictures: Tensor) -> Tensor:
    """Stands in for superpixels that nobody needs."""
    raise AssertionError(f"superpixels of {tuple(pictures.shape)}")


def make(structure: float = 200.0, average: Callable[[Tensor], Tensor] = flat) -> tuple[Method, VGG, Batch]:
    torch.manual_seed(0)
    features = VGG(network="vgg16", layer="conv1_2", vgg_input="imagenet").double()
    networks: dict[str, nn.Module] = {
        "generator": WhiteboxGenerator(channels=4, num_blocks=1).double(),
        "discriminator": WhiteboxDiscriminators(channels=2).double(),
    }
    method = whitebox(
        networks=networks,
        extract_features=partial(scaled_features, features=features, scale=50.0),
        average_superpixels=average,
        shift=shift(),
        weights=WhiteboxLossWeights(surface=0.1, texture=1.0, structure=structure, variation=1e4, area=AREA),
        warmup_name="pixel",
        warmup_loss=pixel_loss,
    )
    pictures = torch.rand(4, 2, 3, 16, 16, dtype=torch.float64) * 2 - 1
    return method, features, Batch(pictures[0], pictures[1, :, :1], pictures[2], pictures[3])


def test_the_generators_terms_are_the_descriptions() -> None:
    method, features, batch = make()
    output = method.generate(method.networks, batch)
    made = output.generated
    losses = method.losses["generator"](method.networks, batch, output, 200.0)
    discriminators = method.networks["discriminator"]
    one = discriminators.get_submodule("surface")(guided_filter(made, made, radius_pixels=5, epsilon=0.2))
    other = discriminators.get_submodule("texture")(0.3 * made[:, :1] + 0.6 * made[:, 1:2] + 0.1 * made[:, 2:])
    distances = [
        50 * (features(made) - features(each)).abs().mean() / AREA for each in (flat(made.detach()), batch.photo)
    ]
    across, down = made[..., 1:] - made[..., :-1], made[..., 1:, :] - made[..., :-1, :]
    variation = ((across**2).mean() + (down**2).mean()) / (3 * 16 * 16)
    expected = (
        0.1 * ((one - 1) ** 2).mean()
        + ((other - 1) ** 2).mean()
        + 200 * (distances[0] + distances[1])
        + 1e4 * variation
    )
    assert losses.total().item() == pytest.approx(expected.item(), rel=1e-9)


def test_without_a_weight_for_structure_there_are_no_superpixels() -> None:
    """The terms that are left are what they were."""
    method, _, batch = make()
    without, _, _ = make(0.0, not_asked)
    output = method.generate(method.networks, batch)
    terms, rest = (each.losses["generator"](method.networks, batch, output, 2.0).terms for each in (method, without))
    assert [name for name in terms if name not in rest] == ["structure"]
    for name, term in rest.items():
        torch.testing.assert_close(term.value, terms[name].value)


def test_both_judges_learn_from_cartoons_and_drawings_alone() -> None:
    method, _, batch = make()
    assert method.order == ("generator", "discriminator")
    output, discriminators = method.generate(method.networks, batch), method.networks["discriminator"]
    made = output.generated.detach()
    losses = method.losses["discriminator"](method.networks, batch, output, 200.0)

    def loss(discriminator: nn.Module, real: Tensor, generated: Tensor) -> Tensor:
        return (((discriminator(real) - 1) ** 2).mean() + (discriminator(generated) ** 2).mean()) / 2

    views = [guided_filter(held, held, radius_pixels=5, epsilon=0.2) for held in (batch.cartoon, made)]
    grey = [0.3 * held[:, :1] + 0.6 * held[:, 1:2] + 0.1 * held[:, 2:] for held in (batch.cartoon, made)]
    expected = loss(discriminators.get_submodule("surface"), *views) + loss(
        discriminators.get_submodule("texture"), *grey
    )
    assert losses.total().item() == pytest.approx(expected.item(), rel=1e-9)
    losses.total().backward()
    assert all(weight.grad is not None for weight in discriminators.parameters())
    assert all(weight.grad is None for weight in method.networks["generator"].parameters())


def test_a_steps_colour_shift_is_a_function_of_seed_and_step() -> None:
    def drawn(seed: int, step: int) -> list[float]:
        made = ColourShift(seed=seed, device=torch.device("cpu"), dtype=torch.float64)
        place = made.weights.data_ptr()
        made.begin_step(step)
        assert made.weights.data_ptr() == place
        return made().tolist()

    assert drawn(1, 7) == drawn(1, 7)
    assert drawn(1, 7) != drawn(1, 8)
    assert drawn(1, 7) != drawn(2, 7)
    many = torch.tensor([drawn(0, step) for step in range(300)])
    assert many.mean(0).tolist() == pytest.approx([0.299, 0.587, 0.114], abs=0.015)
    assert many.amax(0).tolist() == pytest.approx([0.399, 0.687, 0.214], abs=0.005)
