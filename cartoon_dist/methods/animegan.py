"""AnimeGAN (Chen, Liu, Chen, ISICA 2019; the first version), a row of the paper's Table 2; see docs/baselines.md.

Written from a description of its losses; where it departs from the authors' program, docs/baselines.md says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from cartoon_dist.losses.adversarial import anime_discriminator, lsgan_generator
from cartoon_dist.losses.colour import colour_loss, to_grey
from cartoon_dist.losses.content import content_loss
from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.losses.style import style_loss
from cartoon_dist.methods.cartoongan import ContentTarget, ReconstructionLoss, itself
from cartoon_dist.methods.method import Losses, LossTerm, Method, Networks
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.models.spectral import update_spectral_norms
from cartoon_dist.tensors import Batch, Features, Images, Scalar

FeatureExtractor = Callable[[Images], Features]
"""Frozen features of pictures, at the scale that the loss weights were chosen for."""


@dataclass(frozen=True, kw_only=True)
class AnimeGANLossWeights:
    """Weights of the loss terms; the content's comes with each step. smoothed: that of D's term on grey smoothed
    cartoons."""

    adversarial: float
    style: float
    colour: float
    smoothed: float


def animegan(
    *,
    networks: dict[str, nn.Module],
    extract_features: FeatureExtractor | None,
    weights: AnimeGANLossWeights,
    warmup_name: str,
    warmup_loss: ReconstructionLoss,
    content_target: ContentTarget = itself,
) -> Method:
    """Bind networks (`generator`, `discriminator` with spectral norms) and losses into a method.

    extract_features: content and style are compared by these features; None leaves both terms out. warmup_loss: what G
    minimises before the GAN phase, logged as `warmup_name`; the original's is the content loss. content_target: makes
    of a photo what the content of a drawing is compared with.
    """
    return Method(
        networks=networks,
        order=("discriminator", "generator"),
        generate=generate,
        generate_warmup=generate,
        warmup_losses=partial(warmup_losses, name=warmup_name, loss=warmup_loss),
        losses={
            "discriminator": partial(discriminator_losses, weights=weights),
            "generator": partial(
                generator_losses, extract_features=extract_features, weights=weights, content_target=content_target
            ),
        },
        # Here, and not in D's forward: G's step uses the norms of D's step, and a batch in parts updates them once.
        before_update={"discriminator": update_spectral_norms},
    )


def scaled_features(pictures: Images, *, features: nn.Module, scale: float) -> Features:
    """A network's features times a constant, at least in float32."""
    return at_least_float32(features(pictures)) * scale


def generate(networks: Networks, batch: Batch) -> GeneratorOutput:
    """G over the photos, once an iteration: the D step takes the result detached, the G step as it is."""
    output: GeneratorOutput = networks["generator"](batch.photo)
    # In the photo's precision: the wrapper of a plain step converts half precision back, and a recorded step, which has
    # no wrapper, must see the same numbers.
    return GeneratorOutput(output.generated.to(batch.photo.dtype), None)


def warmup_losses(batch: Batch, output: GeneratorOutput, *, name: str, loss: ReconstructionLoss) -> Losses:
    """Before the GAN phase: G copies the photo. (The original weighs this single term by 1.5: the same to Adam.)"""
    return Losses({name: LossTerm(loss(output.generated, batch.photo), 1.0)}, {})


def discriminator_losses(
    networks: Networks,
    batch: Batch,
    output: GeneratorOutput,
    _content_weight: float | Scalar,
    *,
    weights: AnimeGANLossWeights,
) -> Losses:
    """Cartoons are real; generated pictures, grey cartoons and grey cartoons without clear edges are not."""
    kinds = {
        "d/real": batch.cartoon,
        "d/generated": output.generated.detach(),
        "d/grey": to_grey(batch.cartoon),
        "d/smoothed": to_grey(batch.smoothed),
    }
    # One forward over all four: instance norm treats each picture alone, so the logits are the same as of four.
    logits = networks["discriminator"](torch.cat(list(kinds.values()))).chunk(len(kinds))
    loss = anime_discriminator(*logits, smoothed_weight=weights.smoothed)
    means = {name: at_least_float32(each.detach()).mean() for name, each in zip(kinds, logits, strict=True)}
    return Losses({"adversarial_d": LossTerm(loss, weights.adversarial)}, means)


def generator_losses(
    networks: Networks,
    batch: Batch,
    output: GeneratorOutput,
    content_weight: float | Scalar,
    *,
    extract_features: FeatureExtractor | None,
    weights: AnimeGANLossWeights,
    content_target: ContentTarget,
) -> Losses:
    """Adversarial, content (the photo's features), style (the grey cartoons' Gram matrices), colour (the photo's)."""
    generated = output.generated
    adversarial = lsgan_generator(networks["discriminator"](generated))
    terms = {"adversarial_g": LossTerm(adversarial, weights.adversarial)}
    if extract_features is not None:
        with torch.no_grad():  # targets: no graph is kept for them
            of_photo, of_cartoon = extract_features(
                torch.cat([content_target(batch.photo), to_grey(batch.cartoon)])
            ).chunk(2)
        of_generated = extract_features(generated)
        terms["content"] = LossTerm(content_loss(of_generated, of_photo), content_weight)
        terms["style"] = LossTerm(style_loss(of_generated, of_cartoon), weights.style)
    terms["colour"] = LossTerm(colour_loss(generated, batch.photo), weights.colour)
    return Losses(terms, {})
