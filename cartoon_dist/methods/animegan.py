"""AnimeGAN (Chen, Liu, Chen, ISICA 2019; the first version), a row of the paper's Table 2; see docs/baselines.md.

Written from a description of its losses; where it departs from the authors' program, docs/baselines.md says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from cartoon_dist.losses.adversarial import anime_discriminator, lsgan_generator
from cartoon_dist.losses.colour import colour_loss, grey
from cartoon_dist.losses.content import content_loss
from cartoon_dist.losses.precision import widened
from cartoon_dist.losses.style import style_loss
from cartoon_dist.methods.cartoongan import Likeness
from cartoon_dist.methods.method import Losses, Method, Networks, Term
from cartoon_dist.models.generator import Drawing
from cartoon_dist.models.spectral import follow
from cartoon_dist.tensors import Batch, Features, Images, Scalar

Look = Callable[[Images], Features]
"""Frozen features of pictures, at the scale that the weights were chosen for."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Of the terms; the content's comes with each step. smoothed: of grey smoothed cartoons among what D refuses."""

    adversarial: float
    style: float
    colour: float
    smoothed: float


def animegan(
    *,
    networks: dict[str, nn.Module],
    look: Look | None,
    weights: Weights,
    warmup_name: str,
    warmup_likeness: Likeness,
) -> Method:
    """Bind networks (`generator`, `discriminator` with spectral norms) and losses into a method.

    look: what content and style are compared by; None leaves both terms out. warmup_likeness: what G minimises before
    the GAN phase, logged as `warmup_name`; the original's is the content loss.
    """
    return Method(
        networks=networks,
        order=("discriminator", "generator"),
        draw=draw,
        draw_warmup=draw,
        warmup=partial(warmup, name=warmup_name, likeness=warmup_likeness),
        losses={
            "discriminator": partial(discriminator_losses, weights=weights),
            "generator": partial(generator_losses, look=look, weights=weights),
        },
        # Here, and not in D's forward: G's step is judged by the norms of D's, and a batch in parts moves them once.
        before={"discriminator": follow},
    )


def look(pictures: Images, *, features: nn.Module, scale: float) -> Features:
    """A network's features times a constant, in float32 at least."""
    return widened(features(pictures)) * scale


def draw(networks: Networks, batch: Batch) -> Drawing:
    """G over the photos, once an iteration: the D step takes the result detached, the G step as it is."""
    drawing: Drawing = networks["generator"](batch.photo)
    # In the photo's precision: the wrapper of a plain step widens what autocast halved, and a recorded step, which has
    # none, must see the same numbers.
    return Drawing(drawing.generated.to(batch.photo.dtype), None)


def warmup(batch: Batch, drawing: Drawing, *, name: str, likeness: Likeness) -> Losses:
    """Before the GAN phase: G copies the photo. (The original weighs this only term by 1.5: the same to Adam.)"""
    return Losses({name: Term(likeness(drawing.generated, batch.photo), 1.0)}, {})


def discriminator_losses(
    networks: Networks, batch: Batch, drawing: Drawing, _content_weight: float | Scalar, *, weights: Weights
) -> Losses:
    """Cartoons are real; generated pictures, grey cartoons and grey cartoons without clear edges are not."""
    kinds = {
        "d/real": batch.cartoon,
        "d/generated": drawing.generated.detach(),
        "d/grey": grey(batch.cartoon),
        "d/smoothed": grey(batch.smoothed),
    }
    # One forward over all four: instance norm sees each picture alone, so the judgement is the same as of four.
    judged = networks["discriminator"](torch.cat(list(kinds.values()))).chunk(len(kinds))
    loss = anime_discriminator(*judged, smoothed_weight=weights.smoothed)
    means = {name: widened(logits.detach()).mean() for name, logits in zip(kinds, judged, strict=True)}
    return Losses({"adversarial_d": Term(loss, weights.adversarial)}, means)


def generator_losses(
    networks: Networks,
    batch: Batch,
    drawing: Drawing,
    content_weight: float | Scalar,
    *,
    look: Look | None,
    weights: Weights,
) -> Losses:
    """Adversarial, content (the photo's features), style (the grey cartoons' Gram matrices), colour (the photo's)."""
    generated = drawing.generated
    adversarial = lsgan_generator(networks["discriminator"](generated))
    terms = {"adversarial_g": Term(adversarial, weights.adversarial)}
    if look is not None:
        with torch.no_grad():  # targets: no graph is kept for them
            of_photo, of_cartoon = look(torch.cat([batch.photo, grey(batch.cartoon)])).chunk(2)
        of_generated = look(generated)
        terms["content"] = Term(content_loss(of_generated, of_photo), content_weight)
        terms["style"] = Term(style_loss(of_generated, of_cartoon), weights.style)
    terms["colour"] = Term(colour_loss(generated, batch.photo), weights.colour)
    return Losses(terms, {})
