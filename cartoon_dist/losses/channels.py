"""A picture's channels apart."""

from typing import Any

import torch
from torch import Tensor

from cartoon_dist.gpu.layout import lies_channels_last
from cartoon_dist.tensors import Images, Maps


def split_channels(pictures: Images) -> tuple[Maps, Maps, Maps]:
    """Red, green and blue. The gradient of pictures in channels_last lies so too."""
    red, green, blue = _Split.apply(pictures) if lies_channels_last(pictures) else pictures.split(1, dim=1)
    return red, green, blue


class _Split(torch.autograd.Function):
    """torch's own makes a gradient in NCHW."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor) -> tuple[Tensor, ...]:  # noqa: ARG004
        return tuple(pictures.split(1, dim=1))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return torch.stack([gradient[:, 0] for gradient in gradients], -1).permute(0, 3, 1, 2)
