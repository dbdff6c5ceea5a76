"""The paper's method and the rows of its Table 1: CartoonGAN with a saliency network beside its encoder, and CBAM.

Without a saliency network and with the log loss this is the original CartoonGAN (Chen et al., CVPR 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from cartoon_dist.losses.adversarial import log_discriminator, log_generator, lsgan_discriminator, lsgan_generator
from cartoon_dist.losses.content import content_loss
from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.losses.saliency import saliency_loss
from cartoon_dist.losses.variation import squared_variation
from cartoon_dist.methods.method import Losses, LossTerm, Method, Networks
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.profiling import span
from cartoon_dist.tensors import Batch, Features, Images, Logits, Scalar

ReconstructionLoss = Callable[[Images, Images], Scalar]
"""How far a generated picture (first) is from its photo (second)."""
ContentTarget = Callable[[Images], Images]
"""Makes of a photo what the content of its drawing is compared with; in the papers it is the photo itself."""


@dataclass(frozen=True)
class AdversarialLoss:
    """G's and D's side of one adversarial loss, and how a logit becomes a logged score: 1 means real, 0 generated."""

    generator: Callable[[Logits], Scalar]
    discriminator: Callable[[Logits, Logits, Logits], Scalar]
    to_score: Callable[[Logits], Logits]


LSGAN = AdversarialLoss(lsgan_generator, lsgan_discriminator, lambda logits: logits)
"""Equations 7 and 8."""
LOG = AdversarialLoss(log_generator, log_discriminator, torch.sigmoid)
"""Eq 6, for the first row of Table 1."""


def cartoongan(
    *,
    networks: dict[str, nn.Module],
    adversarial: AdversarialLoss,
    content: ReconstructionLoss | None,
    warmup_name: str,
    warmup_loss: ReconstructionLoss,
    saliency_weight: float,
    variation_weight: float,
    joints_detached: bool,
) -> Method:
    """Bind networks (`generator`, `discriminator`) and losses into a method.

    content: Eq 9 over frozen features; None leaves the term out. warmup_loss: what G minimises before the GAN
    phase, logged as `warmup_name`. variation_weight: 0 leaves the term out, as the papers do. joints_detached: G's
    losses do not reach the saliency network.
    """
    return Method(
        networks=networks,
        order=("discriminator", "generator"),
        generate=partial(generate, joints_detached=joints_detached),
        generate_warmup=partial(generate, joints_detached=True),
        warmup_losses=partial(warmup_losses, name=warmup_name, loss=warmup_loss, saliency_weight=saliency_weight),
        losses={
            "discriminator": partial(discriminator_losses, adversarial=adversarial),
            "generator": partial(
                generator_losses,
                adversarial=adversarial,
                content=content,
                saliency_weight=saliency_weight,
                variation_weight=variation_weight,
            ),
        },
    )


def itself(photo: Images) -> Images:
    """The papers' content target."""
    return photo


def compared_with_target(
    generated: Images, photo: Images, *, loss: ReconstructionLoss, content_target: ContentTarget
) -> Scalar:
    """A reconstruction loss that does not compare with the photo but with what `content_target` makes of it."""
    return loss(generated, content_target(photo))


def perceptual_loss(generated: Images, photo: Images, *, features: Callable[[Images], Features]) -> Scalar:
    """Eq 9. The photo's features are a target: no graph is kept for them, which saves half of VGG's memory."""
    with torch.no_grad():
        target = features(photo)
    return content_loss(features(generated), target)


def generate(networks: Networks, batch: Batch, *, joints_detached: bool) -> GeneratorOutput:
    """G and S over the photos, once an iteration: the D step takes the result detached, the G step as it is."""
    output: GeneratorOutput = networks["generator"](batch.photo, detach_joints=joints_detached)
    return output


def warmup_losses(
    batch: Batch, output: GeneratorOutput, *, name: str, loss: ReconstructionLoss, saliency_weight: float
) -> Losses:
    """Before the GAN phase: G copies the photo, S learns its label (L_s alone, as the joints are detached)."""
    terms = {name: LossTerm(loss(output.generated, batch.photo), 1.0)}
    return Losses(terms | _saliency_term(batch, output, saliency_weight), {})


def discriminator_losses(
    networks: Networks,
    batch: Batch,
    output: GeneratorOutput,
    _content_weight: float | Scalar,
    *,
    adversarial: AdversarialLoss,
) -> Losses:
    """Eq 8 (or Eq 6): cartoons are real; generated pictures and cartoons without clear edges are not."""
    generated = output.generated.detach()
    # One forward over all three: instance norm treats each picture alone, so the logits are the same as of three
    # forwards.
    logits = networks["discriminator"](torch.cat([batch.cartoon, generated, batch.smoothed]))
    real, fake, smoothed = logits.split([len(batch.cartoon), len(generated), len(batch.smoothed)])
    means = {"d/real": real, "d/generated": fake, "d/smoothed": smoothed}
    with span("Eq 8 adversarial"):
        loss = adversarial.discriminator(real, fake, smoothed)
    return Losses(
        {"adversarial_d": LossTerm(loss, 1.0)},
        {name: adversarial.to_score(at_least_float32(each.detach())).mean() for name, each in means.items()},
    )


def generator_losses(
    networks: Networks,
    batch: Batch,
    output: GeneratorOutput,
    content_weight: float | Scalar,
    *,
    adversarial: AdversarialLoss,
    content: ReconstructionLoss | None,
    saliency_weight: float,
    variation_weight: float,
) -> Losses:
    """G's share of Eq 11: adversarial (Eq 7), content (Eq 9) at its present weight (Eq 12), saliency (Eq 10); and the
    variation where it has a weight."""
    with span("Eq 7 adversarial"):
        terms = {"adversarial_g": LossTerm(adversarial.generator(networks["discriminator"](output.generated)), 1.0)}
    if content is not None:
        with span("Eq 9 content"):
            terms["content"] = LossTerm(content(output.generated, batch.photo), content_weight)
    if variation_weight:
        terms["variation"] = LossTerm(squared_variation(output.generated), variation_weight)
    return Losses(terms | _saliency_term(batch, output, saliency_weight), {})


def _saliency_term(batch: Batch, output: GeneratorOutput, weight: float) -> dict[str, LossTerm]:
    """Eq 10, where there is a saliency network."""
    if output.saliency is None:
        return {}
    with span("Eq 10 saliency"):
        return {"saliency": LossTerm(saliency_loss(output.saliency, batch.saliency), weight)}
