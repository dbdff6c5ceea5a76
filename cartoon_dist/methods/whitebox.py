"""White-box Cartoonization (Wang and Yu, CVPR 2020), a row of the paper's Table 2: written from a description.

G is judged by its surface and by its texture, keeps to the superpixels of its own drawing, and to the photo.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from cartoon_dist.losses.adversarial import lsgan_generator
from cartoon_dist.losses.precision import widened
from cartoon_dist.losses.whitebox import channel_weights, feature_distance, lsgan_halved, texture, total_variation
from cartoon_dist.methods.animegan import Look, draw, warmup
from cartoon_dist.methods.cartoongan import Likeness
from cartoon_dist.methods.method import Losses, Method, Networks, Term
from cartoon_dist.models.generator import Drawing
from cartoon_dist.models.guided import surface
from cartoon_dist.models.spectral import follow
from cartoon_dist.tensors import Batch, Images, Scalar

Flatten = Callable[[Images], Images]
"""Pictures with each superpixel in its mean colour; made elsewhere, without gradients, while the step waits."""


class ColourShift:
    """A step's weights (r, g, b) of red, green and blue in the texture: a function of the seed and the step."""

    def __init__(self, *, seed: int, device: torch.device, dtype: torch.dtype) -> None:
        self.seed = seed
        self.weights = torch.zeros(3, device=device, dtype=dtype)
        self.begin(0)

    def begin(self, step: int) -> None:
        """Draw those of the step."""
        said = hashlib.sha256(f"colour shift {self.seed} {step}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(said[:8], "big", signed=True))
        self.weights.copy_(channel_weights(torch.rand(3, generator=generator, dtype=torch.float64)))

    def __call__(self) -> Tensor:
        """The weights (3,)."""
        return self.weights


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Of the terms; the content's comes with each step. area: what a distance of features is divided by."""

    surface: float
    texture: float
    structure: float
    variation: float
    area: int


def whitebox(
    *,
    networks: dict[str, nn.Module],
    look: Look,
    flatten: Flatten,
    shift: ColourShift,
    weights: Weights,
    warmup_name: str,
    warmup_likeness: Likeness,
) -> Method:
    """Bind networks (`generator`, and `discriminator`, which judges surface and texture) and losses into a method.

    G learns before D, as in the original. `flatten` looks at values, so a step of it cannot be recorded.
    """
    return Method(
        networks=networks,
        order=("generator", "discriminator"),
        draw=draw,
        draw_warmup=draw,
        warmup=partial(warmup, name=warmup_name, likeness=warmup_likeness),
        losses={
            "generator": partial(generator_losses, look=look, flatten=flatten, shift=shift, weights=weights),
            "discriminator": partial(discriminator_losses, shift=shift),
        },
        before={"discriminator": follow},
        begin=shift.begin,
    )


def generator_losses(
    networks: Networks,
    batch: Batch,
    drawing: Drawing,
    content_weight: float | Scalar,
    *,
    look: Look,
    flatten: Flatten,
    shift: ColourShift,
    weights: Weights,
) -> Losses:
    """Surface, texture, structure, content, total variation."""
    generated = drawing.generated
    flat = flatten(generated.detach())
    by_surface, by_texture = networks["discriminator"](surface(generated), texture(generated, shift()))
    of_generated = look(generated)
    with torch.no_grad():  # targets: no graph is kept for them
        of_photo, of_flat = look(torch.cat([batch.photo, flat])).chunk(2)
    return Losses(
        {
            "surface_g": Term(lsgan_generator(by_surface), weights.surface),
            "texture_g": Term(lsgan_generator(by_texture), weights.texture),
            "structure": Term(feature_distance(of_generated, of_flat, area=weights.area), weights.structure),
            "content": Term(feature_distance(of_generated, of_photo, area=weights.area), content_weight),
            "variation": Term(total_variation(generated), weights.variation),
        },
        {},
    )


def discriminator_losses(
    networks: Networks, batch: Batch, drawing: Drawing, _content_weight: float | Scalar, *, shift: ColourShift
) -> Losses:
    """Both judges: cartoons are real, generated pictures are not; of smoothed cartoons nothing is asked."""
    both = torch.cat([batch.cartoon, drawing.generated.detach()])
    judged = dict(
        zip(("surface", "texture"), networks["discriminator"](surface(both), texture(both, shift())), strict=True)
    )
    terms: dict[str, Term] = {}
    figures: dict[str, Scalar] = {}
    for name, logits in judged.items():
        real, generated = logits.chunk(2)
        terms[f"{name}_d"] = Term(lsgan_halved(real, generated), 1.0)
        figures |= {
            f"d/{name}_real": widened(real.detach()).mean(),
            f"d/{name}_generated": widened(generated.detach()).mean(),
        }
    return Losses(terms, figures)
