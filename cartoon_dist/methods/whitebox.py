"""White-box Cartoonization (Wang and Yu, CVPR 2020), a row of the paper's Table 2: written from a description.

Losses on the surface and the texture of the generated picture, on its superpixels, and on the photo's content.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from cartoon_dist.losses.adversarial import lsgan_generator
from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.losses.whitebox import (
    channel_weights,
    feature_distance,
    lsgan_discriminator_halved,
    texture,
    total_variation,
)
from cartoon_dist.methods.animegan import FeatureExtractor, generate, warmup_losses
from cartoon_dist.methods.cartoongan import ContentTarget, ReconstructionLoss, itself
from cartoon_dist.methods.method import Losses, LossTerm, Method, Networks
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.models.guided import surface
from cartoon_dist.models.spectral import update_spectral_norms
from cartoon_dist.tensors import Batch, Images, Scalar

SuperpixelAverage = Callable[[Images], Images]
"""Pictures with each superpixel in its mean colour; computed by other processes, without gradients, while the step
waits."""


class ColourShift:
    """A step's weights (r, g, b) of red, green and blue in the texture: a function of the seed and the step."""

    def __init__(self, *, seed: int, device: torch.device, dtype: torch.dtype) -> None:
        self.seed = seed
        self.weights = torch.zeros(3, device=device, dtype=dtype)
        self.begin_step(0)

    def begin_step(self, step: int) -> None:
        """Draw the weights of this step."""
        digest = hashlib.sha256(f"colour shift {self.seed} {step}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
        self.weights.copy_(channel_weights(torch.rand(3, generator=generator, dtype=torch.float64)))

    def __call__(self) -> Tensor:
        """The weights (3,)."""
        return self.weights


@dataclass(frozen=True, kw_only=True)
class WhiteboxLossWeights:
    """Weights of the loss terms; the content's comes with each step. area: divisor of a distance of features."""

    surface: float
    texture: float
    structure: float
    variation: float
    area: int


def whitebox(
    *,
    networks: dict[str, nn.Module],
    extract_features: FeatureExtractor,
    average_superpixels: SuperpixelAverage,
    shift: ColourShift,
    weights: WhiteboxLossWeights,
    warmup_name: str,
    warmup_loss: ReconstructionLoss,
    content_target: ContentTarget = itself,
) -> Method:
    """Bind networks (`generator`, and `discriminator`, which judges surface and texture) and losses into a method.

    G learns before D, as in the original. `average_superpixels` reads values on the host, so a step cannot be recorded.
    """
    return Method(
        networks=networks,
        order=("generator", "discriminator"),
        generate=generate,
        generate_warmup=generate,
        warmup_losses=partial(warmup_losses, name=warmup_name, loss=warmup_loss),
        losses={
            "generator": partial(
                generator_losses,
                extract_features=extract_features,
                average_superpixels=average_superpixels,
                shift=shift,
                weights=weights,
                content_target=content_target,
            ),
            "discriminator": partial(discriminator_losses, shift=shift),
        },
        before_update={"discriminator": update_spectral_norms},
        begin_step=shift.begin_step,
    )


def generator_losses(
    networks: Networks,
    batch: Batch,
    output: GeneratorOutput,
    content_weight: float | Scalar,
    *,
    extract_features: FeatureExtractor,
    average_superpixels: SuperpixelAverage,
    shift: ColourShift,
    weights: WhiteboxLossWeights,
    content_target: ContentTarget,
) -> Losses:
    """Surface, texture, structure where it has a weight, content, total variation."""
    generated = output.generated
    targets = [content_target(batch.photo)]
    if weights.structure:  # superpixels are computed on the host, and their features are a forward of VGG
        targets.append(average_superpixels(generated.detach()))
    by_surface, by_texture = networks["discriminator"](surface(generated), texture(generated, shift()))
    of_generated = extract_features(generated)
    with torch.no_grad():  # targets: no graph is kept for them
        of_target, *of_flat = extract_features(torch.cat(targets)).chunk(len(targets))
    distance = partial(feature_distance, of_generated, area=weights.area)
    terms = {
        "surface_g": LossTerm(lsgan_generator(by_surface), weights.surface),
        "texture_g": LossTerm(lsgan_generator(by_texture), weights.texture),
    }
    if of_flat:
        terms["structure"] = LossTerm(distance(of_flat[0]), weights.structure)
    terms["content"] = LossTerm(distance(of_target), content_weight)
    terms["variation"] = LossTerm(total_variation(generated), weights.variation)
    return Losses(terms, {})


def discriminator_losses(
    networks: Networks, batch: Batch, output: GeneratorOutput, _content_weight: float | Scalar, *, shift: ColourShift
) -> Losses:
    """Both discriminators: cartoons are real, generated pictures are not; smoothed cartoons are not used."""
    both = torch.cat([batch.cartoon, output.generated.detach()])
    logits_of = dict(
        zip(("surface", "texture"), networks["discriminator"](surface(both), texture(both, shift())), strict=True)
    )
    terms: dict[str, LossTerm] = {}
    figures: dict[str, Scalar] = {}
    for name, logits in logits_of.items():
        real, generated = logits.chunk(2)
        terms[f"{name}_d"] = LossTerm(lsgan_discriminator_halved(real, generated), 1.0)
        figures |= {
            f"d/{name}_real": at_least_float32(real.detach()).mean(),
            f"d/{name}_generated": at_least_float32(generated.detach()).mean(),
        }
    return Losses(terms, figures)
