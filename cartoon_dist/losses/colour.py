"""AnimeGAN's colour loss, which keeps the colours of the photo, and grey pictures for its other losses."""

import torch
from torch.nn.functional import huber_loss

from cartoon_dist.gpu.layout import lies_channels_last
from cartoon_dist.losses.channels import split_channels
from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.tensors import Images, Maps, Scalar


def to_grey(pictures: Images) -> Images:
    """0.299 R + 0.587 G + 0.114 B in all three channels, in [-1, 1] as the pictures are.

    OpenCV's `cvtColor` rounds the same sum to whole bytes, so it differs by up to half a grey level (0.004 here).
    """
    grey = _luma(pictures).expand(-1, 3, -1, -1)
    return grey.contiguous(memory_format=torch.channels_last) if lies_channels_last(pictures) else grey


def colour_loss(generated: Images, photo: Images) -> Scalar:
    """mean |dY| + Huber(dU) + Huber(dV) between both pictures' Y, U, V in [0, 1] (BT.601), Huber's delta 1."""
    ours, theirs = rgb_to_yuv(generated), rgb_to_yuv(photo)
    luma = (ours[0] - theirs[0]).abs().mean()
    return luma + huber_loss(ours[1], theirs[1]) + huber_loss(ours[2], theirs[2])


def rgb_to_yuv(pictures: Images) -> tuple[Maps, Maps, Maps]:
    """Y in [0, 1], U in [-0.436, 0.436] and V in [-0.615, 0.615] of pictures in [-1, 1]; at least in float32."""
    unit = (at_least_float32(pictures) + 1) / 2
    red, green, blue = split_channels(unit)
    return (
        _luma(unit),
        -0.14714119 * red - 0.28886916 * green + 0.43601035 * blue,
        0.61497538 * red - 0.51496512 * green - 0.10001026 * blue,
    )


def _luma(pictures: Images) -> Maps:
    red, green, blue = split_channels(pictures)
    return 0.299 * red + 0.587 * green + 0.114 * blue
