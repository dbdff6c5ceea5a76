"""The paper's method: which losses reach which weights, at what weight."""

from functools import partial

import pytest
import torch
from torch import nn

from cartoon_dist.losses.pixel import pixel_loss
from cartoon_dist.methods.cartoongan import LOG, LSGAN, AdversarialLoss, cartoongan, perceptual_loss
from cartoon_dist.methods.method import Method
from cartoon_dist.models.discriminator import Discriminator
from cartoon_dist.models.generator import Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork
from cartoon_dist.models.vgg import VGG
from cartoon_dist.tensors import Batch


def make(
    *,
    saliency: bool = True,
    joints_detached: bool = False,
    adversarial: AdversarialLoss = LSGAN,
    variation_weight: float = 0.0,
) -> tuple[Method, Batch]:
    torch.manual_seed(0)
    network = SaliencyNetwork(channels=4, out_channels=1, wiring="projection", upsample="resize") if saliency else None
    generator = Generator(channels=4, num_blocks=1, upsample="resize", saliency=network, attention=saliency)
    features = VGG(network="vgg16", layer="conv1_2", vgg_input="unit")
    method = cartoongan(
        networks={"generator": generator, "discriminator": Discriminator(channels=4)},
        adversarial=adversarial,
        content=partial(perceptual_loss, features=features),
        warmup_name="pixel",
        warmup_loss=pixel_loss,
        saliency_weight=2.0,
        variation_weight=variation_weight,
        joints_detached=joints_detached,
    )
    pictures = torch.rand(4, 2, 3, 16, 16) * 2 - 1
    return method, Batch(pictures[0], pictures[1, :, :1], pictures[2], pictures[3])


def reached(network: nn.Module) -> bool:
    return any(weight.grad is not None and weight.grad.abs().max() > 0 for weight in network.parameters())


def saliency_network(method: Method) -> nn.Module:
    return method.networks["generator"].get_submodule("saliency")


def test_the_discriminators_step_leaves_the_generator_alone() -> None:
    method, batch = make()
    output = method.generate(method.networks, batch)
    method.losses["discriminator"](method.networks, batch, output, 0.25).total().backward()
    assert reached(method.networks["discriminator"])
    assert not reached(method.networks["generator"])


def test_the_discriminators_one_forward_judges_as_three_do() -> None:
    method, batch = make()
    output = method.generate(method.networks, batch)
    losses = method.losses["discriminator"](method.networks, batch, output, 0.25)
    discriminator = method.networks["discriminator"]
    real, fake, smoothed = discriminator(batch.cartoon), discriminator(output.generated), discriminator(batch.smoothed)
    by_hand = ((real - 1) ** 2).mean() + (fake**2).mean() + (smoothed**2).mean()
    assert losses.terms["adversarial_d"].value.item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert losses.figures["d/generated"].item() == pytest.approx(fake.mean().item(), abs=1e-6)


@pytest.mark.parametrize("joints_detached", [False, True])
def test_the_generators_losses_reach_the_saliency_network_through_attached_joints(joints_detached: bool) -> None:  # noqa: FBT001
    method, batch = make(joints_detached=joints_detached)
    losses = method.losses["generator"](method.networks, batch, method.generate(method.networks, batch), 0.25)
    (losses.terms["content"].value + losses.terms["adversarial_g"].value).backward()
    assert reached(saliency_network(method)) is not joints_detached


def test_in_the_warm_up_the_saliency_network_learns_from_its_label_alone() -> None:
    method, batch = make()
    losses = method.warmup_losses(batch, method.generate_warmup(method.networks, batch))
    assert losses.terms.keys() == {"pixel", "saliency"}
    losses.terms["pixel"].value.backward(retain_graph=True)
    assert not reached(saliency_network(method))
    losses.terms["saliency"].value.backward()
    assert reached(saliency_network(method))


def test_the_total_is_the_weighted_sum_of_eq_11() -> None:
    method, batch = make()
    losses = method.losses["generator"](method.networks, batch, method.generate(method.networks, batch), 0.25)
    values = {name: term.value.item() for name, term in losses.terms.items()}
    by_hand = values["adversarial_g"] + 0.25 * values["content"] + 2.0 * values["saliency"]
    assert losses.total().item() == pytest.approx(by_hand, rel=1e-6)


def test_variation_is_a_term_where_it_has_a_weight() -> None:
    method, batch = make(variation_weight=5.0)
    output = method.generate(method.networks, batch)
    losses = method.losses["generator"](method.networks, batch, output, 0.25)
    drawn = output.generated
    by_hand = (drawn[..., 1:] - drawn[..., :-1]).square().mean() + (drawn[:, :, 1:] - drawn[:, :, :-1]).square().mean()
    assert losses.terms["variation"].value.item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert losses.terms["variation"].weight == 5.0


def test_the_photos_features_hold_no_graph() -> None:
    _, batch = make()
    features = VGG(network="vgg16", layer="conv1_2", vgg_input="unit")
    photo, generated = batch.photo.clone().requires_grad_(), batch.cartoon.clone().requires_grad_()
    perceptual_loss(generated, photo, features=features).backward()
    assert photo.grad is None
    assert generated.grad is not None


def test_row_one_has_no_saliency_and_judges_by_the_log_loss() -> None:
    method, batch = make(saliency=False, adversarial=LOG)
    output = method.generate(method.networks, batch)
    assert output.saliency is None
    losses = method.losses["generator"](method.networks, batch, output, 10.0)
    assert losses.terms.keys() == {"adversarial_g", "content"}
    logits = method.networks["discriminator"](output.generated)
    by_hand = -torch.log(1 / (1 + torch.exp(-logits))).mean()
    assert losses.terms["adversarial_g"].value.item() == pytest.approx(by_hand.item(), rel=1e-5)
    logits = method.losses["discriminator"](method.networks, batch, output, 10.0).figures
    assert all(0 < figure.item() < 1 for figure in logits.values())
