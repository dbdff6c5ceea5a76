"""AnimeGAN's style loss: compares the texture of generated pictures with that of cartoons."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cartoon_dist.gpu.layout import lies_channels_last
from cartoon_dist.losses.distance import mean_distance
from cartoon_dist.losses.precision import at_least_float32, without_autocast
from cartoon_dist.tensors import Features, Scalar


def gram_matrix(features: Features) -> Float[Tensor, "n c c"]:
    """F F^T / (c y x) of each picture, F its maps as c x (y x); at least in float32: in float16 its sums overflow."""
    maps = at_least_float32(features)
    with without_autocast(features.device):
        if lies_channels_last(maps):
            products: Tensor = _ProductsOfPixels.apply(maps.permute(0, 2, 3, 1).flatten(1, 2))
        else:
            flat = maps.flatten(2)  # n c (y x)
            products = flat @ flat.transpose(1, 2)
    return products / maps[0].numel()


class _ProductsOfPixels(torch.autograd.Function):
    """X^T X of pixels n (y x) c as they lie in channels_last, and a gradient that lies so too: X (g + g^T)."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor) -> Tensor:
        ctx.save_for_backward(pixels)
        return pixels.transpose(1, 2) @ pixels

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        [pixels] = ctx.saved_tensors
        with without_autocast(gradient.device):
            of_pixels: Tensor = pixels @ (gradient + gradient.transpose(1, 2))
        return of_pixels


def style_loss(generated_features: Features, grey_features: Features) -> Scalar:
    """mean |Gram(VGG(G(p))) - Gram(VGG(grey a))|, picture by picture, though p and a are not paired.

    Cartoons without their colours give texture alone.
    """
    return mean_distance(gram_matrix(generated_features), gram_matrix(grey_features))
