"""Building blocks that the networks share: convolutions (k kernel, n channels, s stride), already initialised.

A block is initialised where it is created, N(0, 0.02) for weights and zero for biases, so a network that becomes part
of another keeps its trained weights.
"""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.cpu import narrow_conv, winograd
from cartoon_dist.tensors import Features

Upsample = Literal["transposed", "resize"]
"""How a decoder doubles the resolution; `resize` leaves no checkerboard."""
Padding = Literal["zeros", "reflect"]

WEIGHT_DEVIATION = 0.02


def num_parameters(module: nn.Module) -> int:
    """The number of trained parameters; also counts a network on the meta device."""
    return sum(parameter.numel() for parameter in module.parameters())


def convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int = 1,
    padding: Padding = "zeros",
    bias: bool = True,
) -> nn.Conv2d:
    """An initialised convolution that keeps the resolution, up to its stride."""
    layer = Convolution(
        in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, padding_mode=padding, bias=bias
    )
    initialise(layer)
    return layer


class Convolution(nn.Conv2d):
    """A convolution that uses the fastest algorithm on CPU while gradients are computed. With reflection, the padding
    is half the kernel.

    Elsewhere it is torch's own, which GPUs, exporters and strips (inference/tracing.py) support.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Maps n c y x -> n c' y/s x/s."""
        return self.convolve_with(input, self.weight)

    def convolve_with(self, input: Tensor, weight: Tensor) -> Tensor:
        """The forward with another weight of the same shape."""
        reflect = self.padding_mode == "reflect"
        edges = (self.kernel_size[1] // 2,) * 2 + (self.kernel_size[0] // 2,) * 2
        if self.groups == 1 and torch.is_grad_enabled() and (input.requires_grad or weight.requires_grad):
            if winograd.is_faster(input, weight, self.stride):
                return winograd.winograd_convolution(input, weight, self.bias, reflect=reflect)
            if narrow_conv.is_faster(input, weight, self.stride):
                padded = functional.pad(input, edges, mode="reflect" if reflect else "constant")
                return narrow_conv.narrow_convolution(padded, weight, self.bias)
        if reflect and _needs_deterministic_backward(input):
            return functional.conv2d(reflection_pad(input, edges), weight, self.bias, self.stride, groups=self.groups)
        return self._conv_forward(input, weight, self.bias)


def reflection_pad(maps: Features, edges: tuple[int, int, int, int]) -> Tensor:
    """Maps n c y x padded by so many pixels on the left, on the right, above and below, reflected at the borders.

    Built from slices where the backward must be deterministic: the backward of torch's own padding adds to a pixel from
    several threads in any order on CUDA, so torch refuses it there.
    """
    if not _needs_deterministic_backward(maps):
        return functional.pad(maps, edges, mode="reflect")
    left, right, above, below = edges
    maps = torch.cat([maps[..., 1 : left + 1].flip(-1), maps, maps[..., -right - 1 : -1].flip(-1)], -1)
    rows = [maps[..., 1 : above + 1, :].flip(-2), maps, maps[..., -below - 1 : -1, :].flip(-2)]
    return torch.cat(rows, -2)


def _needs_deterministic_backward(maps: Tensor) -> bool:
    """Whether these maps need a gradient while torch is set to deterministic algorithms."""
    return torch.are_deterministic_algorithms_enabled() and torch.is_grad_enabled() and maps.requires_grad


def initialise(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Weights from N(0, 0.02), biases zero."""
    nn.init.normal_(layer.weight, std=WEIGHT_DEVIATION)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def instance_norm(channels: int, *, affine: bool) -> nn.InstanceNorm2d:
    """IN: each map of each picture to mean 0 and variance 1, by its own statistics in training and after it."""
    return nn.InstanceNorm2d(channels, eps=1e-5, affine=affine)


def first_stage(channels: int, *, affine: bool) -> nn.Sequential:
    """k7 IN ReLU, from a picture."""
    return nn.Sequential(
        OrderedDict(
            conv=convolution(3, channels, kernel=7, padding="reflect"),
            norm=instance_norm(channels, affine=affine),
            relu=nn.ReLU(inplace=True),
        )
    )


def down_stage(in_channels: int, out_channels: int, *, affine: bool) -> nn.Sequential:
    """k3s2, k3s1 IN ReLU: half the resolution."""
    return nn.Sequential(
        OrderedDict(
            strided=convolution(in_channels, out_channels, kernel=3, stride=2),
            conv=convolution(out_channels, out_channels, kernel=3),
            norm=instance_norm(out_channels, affine=affine),
            relu=nn.ReLU(inplace=True),
        )
    )


def encoder(channels: int, *, affine: bool) -> nn.Sequential:
    """The three stages c, 2c, 4c at full, half and quarter resolution that the generator and `sal` begin with."""
    return nn.Sequential(
        first_stage(channels, affine=affine),
        down_stage(channels, 2 * channels, affine=affine),
        down_stage(2 * channels, 4 * channels, affine=affine),
    )


def up_stage(in_channels: int, out_channels: int, *, upsample: Upsample, affine: bool) -> nn.Sequential:
    """k3s1/2, k3s1 IN ReLU: twice the resolution."""
    return nn.Sequential(
        OrderedDict(
            enlarge=upsample_convolution(in_channels, out_channels, upsample=upsample),
            conv=convolution(out_channels, out_channels, kernel=3),
            norm=instance_norm(out_channels, affine=affine),
            relu=nn.ReLU(inplace=True),
        )
    )


def decoder(channels: int, out_channels: int, *, upsample: Upsample, affine: bool) -> nn.Sequential:
    """From 4c maps at a quarter of the resolution back to a picture in [-1, 1]: two up stages, then k7 tanh."""
    return nn.Sequential(
        OrderedDict(
            up1=up_stage(4 * channels, 2 * channels, upsample=upsample, affine=affine),
            up2=up_stage(2 * channels, channels, upsample=upsample, affine=affine),
            conv=convolution(channels, out_channels, kernel=7, padding="reflect"),
            tanh=nn.Tanh(),
        )
    )


def upsample_convolution(in_channels: int, out_channels: int, *, upsample: Upsample) -> nn.Module:
    """k3s1/2, transposed or as a resize and a convolution; both learn the same number of parameters."""
    if upsample == "resize":
        resize = ResizeConvolution(in_channels, out_channels, 3, padding=1)
        initialise(resize)
        return resize
    transposed = nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)
    initialise(transposed)
    return transposed


class ResizeConvolution(nn.Conv2d):
    """Doubles the resolution by nearest neighbour, then convolves (Odena et al., Distill 2016, against checkerboards).

    Nearest and not bilinear: it is exact in every precision, its backward is deterministic on CUDA, and the convolution
    smooths anyway.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Maps n c y x -> n c' 2y 2x."""
        return super().forward(functional.interpolate(input, scale_factor=2.0, mode="nearest"))


def upsample_bilinear(features: Features) -> Tensor:
    """Maps n c y x -> n c 2y 2x, bilinear."""
    return functional.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    """x + IN(k3(ReLU(IN(k3(x))))), with reflection at the borders."""

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels, kernel=3, padding="reflect")
        self.norm1 = instance_norm(channels, affine=affine)
        self.conv2 = convolution(channels, channels, kernel=3, padding="reflect")
        self.norm2 = instance_norm(channels, affine=affine)

    def forward(self, features: Features) -> Features:
        """Maps of the same shape; at least 2x2, or there is nothing to reflect."""
        inner = functional.relu(self.norm1(self.conv1(features)), inplace=True)
        return features + self.norm2(self.conv2(inner))


def check_size(height: int, width: int) -> None:
    """ValueError for a size that two halvings and two doublings do not reproduce."""
    if height % 4 or width % 4 or min(height, width) < 8:
        raise ValueError(
            f"{width} x {height} pixels do not fit the networks: both sides must be multiples of 4, at least 8"
        )
