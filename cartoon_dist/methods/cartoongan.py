"""The paper's method and the rows of its Table 1: CartoonGAN, fed by a saliency network, with CBAM attention.

Without a saliency network and with the log loss this is the original CartoonGAN (Chen et al., CVPR 2018).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from cartoon_dist.losses.adversarial import log_discriminator, log_generator, lsgan_discriminator, lsgan_generator
from cartoon_dist.losses.content import content_loss
from cartoon_dist.losses.precision import widened
from cartoon_dist.losses.saliency import saliency_loss
from cartoon_dist.methods.method import Losses, Method, Networks, Term
from cartoon_dist.models.generator import Drawing
from cartoon_dist.tensors import Batch, Features, Images, Logits, Scalar

Likeness = Callable[[Images, Images], Scalar]
"""How far a generated picture (first) is from its photo (second)."""


@dataclass(frozen=True)
class Adversarial:
    """Both players' sides of one adversarial loss, and how a logit reads as a figure where 1 means real and 0 not."""

    generator: Callable[[Logits], Scalar]
    discriminator: Callable[[Logits, Logits, Logits], Scalar]
    judged: Callable[[Logits], Logits]


LSGAN = Adversarial(lsgan_generator, lsgan_discriminator, lambda logits: logits)
"""Equations 7 and 8."""
LOG = Adversarial(log_generator, log_discriminator, torch.sigmoid)
"""Eq 6, for the first row of Table 1."""


def cartoongan(
    *,
    networks: dict[str, nn.Module],
    adversarial: Adversarial,
    content: Likeness | None,
    warmup_name: str,
    warmup_likeness: Likeness,
    saliency_weight: float,
    joints_detached: bool,
) -> Method:
    """Bind networks (`generator`, `discriminator`) and losses into a method.

    content: Eq 9 over frozen features; None leaves the term out. warmup_likeness: what G minimises before the GAN
    phase, logged as `warmup_name`. joints_detached: G's losses do not reach the saliency network.
    """
    return Method(
        networks=networks,
        order=("discriminator", "generator"),
        draw=partial(draw, joints_detached=joints_detached),
        draw_warmup=partial(draw, joints_detached=True),
        warmup=partial(warmup, name=warmup_name, likeness=warmup_likeness, saliency_weight=saliency_weight),
        losses={
            "discriminator": partial(discriminator_losses, adversarial=adversarial),
            "generator": partial(
                generator_losses, adversarial=adversarial, content=content, saliency_weight=saliency_weight
            ),
        },
    )


def perceptual(generated: Images, photo: Images, *, features: Callable[[Images], Features]) -> Scalar:
    """Eq 9. The photo's features are a target: no graph is kept for them, which saves half of VGG's memory."""
    with torch.no_grad():
        target = features(photo)
    return content_loss(features(generated), target)


def draw(networks: Networks, batch: Batch, *, joints_detached: bool) -> Drawing:
    """G and S over the photos, once an iteration: the D step takes the result detached, the G step as it is."""
    drawing: Drawing = networks["generator"](batch.photo, detach_joints=joints_detached)
    return drawing


def warmup(batch: Batch, drawing: Drawing, *, name: str, likeness: Likeness, saliency_weight: float) -> Losses:
    """Before the GAN phase: G copies the photo, S learns its label (L_s alone, as the joints are detached)."""
    terms = {name: Term(likeness(drawing.generated, batch.photo), 1.0)}
    return Losses(terms | _saliency_term(batch, drawing, saliency_weight), {})


def discriminator_losses(
    networks: Networks, batch: Batch, drawing: Drawing, _content_weight: float | Scalar, *, adversarial: Adversarial
) -> Losses:
    """Eq 8 (or Eq 6): cartoons are real; generated pictures and cartoons without clear edges are not."""
    generated = drawing.generated.detach()
    # One forward over all three: instance norm sees each picture alone, so the judgement is the same as of three
    # forwards.
    judged = networks["discriminator"](torch.cat([batch.cartoon, generated, batch.smoothed]))
    real, fake, smoothed = judged.split([len(batch.cartoon), len(generated), len(batch.smoothed)])
    means = {"d/real": real, "d/generated": fake, "d/smoothed": smoothed}
    return Losses(
        {"adversarial_d": Term(adversarial.discriminator(real, fake, smoothed), 1.0)},
        {name: adversarial.judged(widened(logits.detach())).mean() for name, logits in means.items()},
    )


def generator_losses(
    networks: Networks,
    batch: Batch,
    drawing: Drawing,
    content_weight: float | Scalar,
    *,
    adversarial: Adversarial,
    content: Likeness | None,
    saliency_weight: float,
) -> Losses:
    """G's share of Eq 11: adversarial (Eq 7), content (Eq 9) at its present weight (Eq 12), saliency (Eq 10)."""
    terms = {"adversarial_g": Term(adversarial.generator(networks["discriminator"](drawing.generated)), 1.0)}
    if content is not None:
        terms["content"] = Term(content(drawing.generated, batch.photo), content_weight)
    return Losses(terms | _saliency_term(batch, drawing, saliency_weight), {})


def _saliency_term(batch: Batch, drawing: Drawing, weight: float) -> dict[str, Term]:
    """Eq 10, where there is a saliency network."""
    if drawing.saliency is None:
        return {}
    return {"saliency": Term(saliency_loss(drawing.saliency, batch.saliency), weight)}
