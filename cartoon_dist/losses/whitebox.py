"""White-box's texture representation, and its losses."""

import torch
from torch import Tensor

from cartoon_dist.losses.channels import split_channels
from cartoon_dist.losses.distance import mean_distance
from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.losses.variation import squared_variation
from cartoon_dist.tensors import Features, Images, Maps, Scalar

CHANNEL_RANGES = {"red": (0.199, 0.399), "green": (0.487, 0.687), "blue": (0.014, 0.214)}
"""The ranges from which the weights of a step's colour shift are drawn."""


def texture(pictures: Images, channel_weights: Tensor) -> Maps:
    """The picture without its colours: (r R + g G + b B) / (r + g + b), one draw of weights (r, g, b) for all
    pictures of a step, generated or real."""
    red, green, blue = split_channels(at_least_float32(pictures))
    r, g, b = channel_weights.unbind()
    return (r * red + g * green + b * blue) / (r + g + b)


def lsgan_discriminator_halved(real: Features, generated: Features) -> Scalar:
    """(E[(D(real) - 1)^2] + E[D(generated)^2]) / 2."""
    return ((at_least_float32(real) - 1).square().mean() + at_least_float32(generated).square().mean()) / 2


def total_variation(pictures: Images) -> Scalar:
    """(mean dx^2 + mean dy^2) / (3 h w) between neighbours."""
    return squared_variation(pictures) / pictures[0].numel()


def feature_distance(one: Features, other: Features, *, area: int) -> Scalar:
    """mean |one - other| / area, area 32 * 32 * 512 in the original whatever the picture's size."""
    return mean_distance(one, other) / area


def channel_weights(uniform: Tensor) -> Tensor:
    """Three uniform numbers in [0, 1] as the weights (r, g, b) of a colour shift."""
    pairs = zip(uniform.unbind(), CHANNEL_RANGES.values(), strict=True)
    return torch.stack([low + (high - low) * share for share, (low, high) in pairs])
