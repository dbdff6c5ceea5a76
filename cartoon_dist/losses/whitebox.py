"""What White-box's discriminators see of a picture's texture, and what its generator learns beside D's judgement."""

import torch
from torch import Tensor

from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.tensors import Features, Images, Maps, Scalar

CHANNEL_RANGES = {"red": (0.199, 0.399), "green": (0.487, 0.687), "blue": (0.014, 0.214)}
"""Between which the weights of a step's colour shift are drawn."""


def texture(pictures: Images, channel_weights: Tensor) -> Maps:
    """The picture without its colours: (r R + g G + b B) / (r + g + b), one draw of weights (r, g, b) for all
    pictures of a step, drawn or real."""
    red, green, blue = at_least_float32(pictures).split(1, dim=1)
    r, g, b = channel_weights.unbind()
    return (r * red + g * green + b * blue) / (r + g + b)


def lsgan_discriminator_halved(real: Features, generated: Features) -> Scalar:
    """(E[(D(real) - 1)^2] + E[D(generated)^2]) / 2."""
    return ((at_least_float32(real) - 1).square().mean() + at_least_float32(generated).square().mean()) / 2


def total_variation(pictures: Images) -> Scalar:
    """(mean dx^2 + mean dy^2) / (3 h w) between neighbours."""
    held = at_least_float32(pictures)
    across = (held[..., 1:] - held[..., :-1]).square().mean()
    down = (held[..., 1:, :] - held[..., :-1, :]).square().mean()
    return (across + down) / held[0].numel()


def feature_distance(one: Features, other: Features, *, area: int) -> Scalar:
    """mean |one - other| / area, area 32 * 32 * 512 in the original whatever the picture's size."""
    return (at_least_float32(one) - at_least_float32(other)).abs().mean() / area


def channel_weights(between: Tensor) -> Tensor:
    """Three numbers in [0, 1] as the weights (r, g, b) of a colour shift."""
    drawn = zip(between.unbind(), CHANNEL_RANGES.values(), strict=True)
    return torch.stack([low + (high - low) * number for number, (low, high) in drawn])
