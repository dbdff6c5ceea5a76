"""Building blocks that the networks share: convolutions (k kernel, n channels, s stride), already initialised.

A block is initialised where it is created, N(0, 0.02) for weights and zero for biases, so a network that becomes part
of another keeps its trained weights.
"""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.gpu import fused_norm
from cartoon_dist.gpu.fused_operations import is_taken
from cartoon_dist.gpu.fused_padding import reflection_pad
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.tensors import Features

Upsample = Literal["transposed", "resize"]
"""How a decoder doubles the resolution; `resize` leaves no checkerboard."""
Padding = Literal["zeros", "reflect"]
"""What a convolution sees beyond the borders: zeros, which leave a frame after a short training, or mirrored maps."""

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
    before_norm: bool = False,
) -> Convolution:
    """An initialised convolution that keeps the resolution, up to its stride. before_norm: an instance norm follows."""
    layer = Convolution(
        in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, padding_mode=padding, bias=bias
    )
    layer.before_norm = before_norm
    initialise(layer)
    return layer


def initialise(layer: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Weights from N(0, 0.02), biases zero."""
    nn.init.normal_(layer.weight, std=WEIGHT_DEVIATION)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class InstanceNorm(nn.InstanceNorm2d):
    """IN: each map of each picture to mean 0 and variance 1, by its own statistics in training and after it; with what
    follows it, as one operation where the device has one (gpu/fused_norm.py).

    activation, slope: applied to the result; slope: of leaky_relu below 0.
    """

    def __init__(
        self,
        channels: int,
        *,
        affine: bool,
        epsilon: float = 1e-5,
        activation: fused_norm.Activation = "none",
        slope: float = 0.0,
    ) -> None:
        super().__init__(channels, eps=epsilon, affine=affine)
        self.activation: fused_norm.Activation = activation
        self.slope = slope

    def forward(self, input: Tensor, *, residual: Tensor | None = None, reflect: int = 0) -> Tensor:
        """Maps n c y x -> n c y+2r x+2r: activation(IN(maps) + residual), its border reflected r pixels wide."""
        return fused_norm.instance_norm(
            input,
            weight=self.weight,
            bias=self.bias,
            epsilon=self.eps,
            activation=self.activation,
            slope=self.slope,
            residual=residual,
            reflect=reflect,
        )

    def with_padded(self, input: Tensor, *, residual: Tensor, reflect: int) -> fused_norm.WithPadded:
        """The result without reflected pixels and with them, in one operation where the device has one."""
        if not (torch.is_grad_enabled() and input.requires_grad):
            # A part of the whole then costs nothing; a film has a forward of its own (inference/steady.py).
            padded = self(input, residual=residual, reflect=reflect)
            return fused_norm.WithPadded(padded[..., reflect:-reflect, reflect:-reflect], padded)
        return fused_norm.instance_norm_with_padded(
            input,
            weight=self.weight,
            bias=self.bias,
            epsilon=self.eps,
            activation=self.activation,
            slope=self.slope,
            residual=residual,
            reflect=reflect,
        )

    def after(self, normed: Features, *, residual: Tensor | None = None, reflect: int = 0) -> Tensor:
        """What `forward` does to maps that were normalised otherwise (inference/steady.py)."""
        if residual is not None:
            normed = normed + residual
        if self.activation == "relu":
            normed = functional.relu(normed)
        elif self.activation == "leaky_relu":
            normed = functional.leaky_relu(normed, self.slope)
        return reflection_pad(normed, (reflect,) * 4) if reflect else normed

    def extra_repr(self) -> str:
        """With the activation."""
        return f"{super().extra_repr()}, activation={self.activation}"


def instance_norm(channels: int, *, affine: bool, activation: fused_norm.Activation = "none") -> InstanceNorm:
    """IN with the epsilon of the paper's networks, and what follows it."""
    return InstanceNorm(channels, affine=affine, activation=activation)


def norm_and_convolve(norm: nn.Module, conv: nn.Module, maps: Features) -> Tensor:
    """conv(norm(maps)); the norm makes the convolution's reflected border where that is one operation."""
    if isinstance(conv, Convolution) and conv.padding_mode == "reflect" and is_taken(maps):
        convolved: Tensor = conv(norm(maps, reflect=conv.kernel_size[0] // 2), padded=True)
    else:
        convolved = conv(norm(maps))
    return convolved


def first_stage(channels: int, *, affine: bool) -> nn.Sequential:
    """k7 IN ReLU, from a picture."""
    return nn.Sequential(
        OrderedDict(
            conv=convolution(3, channels, kernel=7, padding="reflect", before_norm=True),
            norm=instance_norm(channels, affine=affine, activation="relu"),
        )
    )


def down_stage(in_channels: int, out_channels: int, *, affine: bool, padding: Padding = "zeros") -> nn.Sequential:
    """k3s2, k3s1 IN ReLU: half the resolution."""
    return nn.Sequential(
        OrderedDict(
            strided=convolution(in_channels, out_channels, kernel=3, stride=2, padding=padding),
            conv=convolution(out_channels, out_channels, kernel=3, padding=padding, before_norm=True),
            norm=instance_norm(out_channels, affine=affine, activation="relu"),
        )
    )


def encoder(channels: int, *, affine: bool, padding: Padding = "zeros") -> nn.Sequential:
    """The three stages c, 2c, 4c at full, half and quarter resolution that the generator and `sal` begin with."""
    return nn.Sequential(
        first_stage(channels, affine=affine),
        down_stage(channels, 2 * channels, affine=affine, padding=padding),
        down_stage(2 * channels, 4 * channels, affine=affine, padding=padding),
    )


def up_stage(
    in_channels: int, out_channels: int, *, upsample: Upsample, affine: bool, padding: Padding = "zeros"
) -> nn.Sequential:
    """k3s1/2, k3s1 IN ReLU: twice the resolution."""
    return nn.Sequential(
        OrderedDict(
            enlarge=upsample_convolution(in_channels, out_channels, upsample=upsample, padding=padding),
            conv=convolution(out_channels, out_channels, kernel=3, padding=padding, before_norm=True),
            norm=instance_norm(out_channels, affine=affine, activation="relu"),
        )
    )


class Decoder(nn.Module):
    """From 4c maps at a quarter of the resolution back to a picture in [-1, 1]: two up stages, then k7 tanh."""

    def __init__(
        self, channels: int, out_channels: int, *, upsample: Upsample, affine: bool, padding: Padding = "zeros"
    ) -> None:
        super().__init__()
        self.up1 = up_stage(4 * channels, 2 * channels, upsample=upsample, affine=affine, padding=padding)
        self.up2 = up_stage(2 * channels, channels, upsample=upsample, affine=affine, padding=padding)
        self.conv = convolution(channels, out_channels, kernel=7, padding="reflect")

    def forward(self, features: Features) -> Tensor:
        """Maps n 4c y x -> n out 4y 4x."""
        *before_norm, norm = self.up2
        maps = self.up1(features)
        for layer in before_norm:
            maps = layer(maps)
        return norm_and_convolve(norm, self.conv, maps).tanh()


def upsample_convolution(
    in_channels: int, out_channels: int, *, upsample: Upsample, padding: Padding = "zeros"
) -> nn.Module:
    """k3s1/2, transposed or as a resize and a convolution; both learn the same number of parameters.

    padding: the resized convolution's; a transposed one has none, as it sees nothing beyond the borders.
    """
    if upsample == "resize":
        resize = ResizeConvolution(in_channels, out_channels, 3, padding=1, padding_mode=padding)
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
        enlarged = functional.interpolate(input, scale_factor=2.0, mode="nearest")
        if self.padding_mode == "reflect":  # our own padding: its backward is deterministic on CUDA, and keeps NHWC
            return functional.conv2d(reflection_pad(enlarged, (1, 1, 1, 1)), self.weight, self.bias)
        return super().forward(enlarged)


def upsample_bilinear(features: Features) -> Tensor:
    """Maps n c y x -> n c 2y 2x, bilinear."""
    return functional.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)


class ResidualBlock(nn.Module):
    """x + IN(k3(ReLU(IN(k3(x))))), with reflection at the borders."""

    def __init__(self, channels: int, *, affine: bool) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels, kernel=3, padding="reflect", before_norm=True)
        self.norm1 = instance_norm(channels, affine=affine, activation="relu")
        self.conv2 = convolution(channels, channels, kernel=3, padding="reflect", before_norm=True)
        self.norm2 = instance_norm(channels, affine=affine)

    def forward(self, features: Features, padded: Tensor | None = None) -> Features:
        """Maps of the same shape; at least 2x2, or there is nothing to reflect. padded: the same maps with the border
        that the first convolution needs already around them."""
        normed: Tensor = self.norm2(self._before_norm(features, padded), residual=features)
        return normed

    def with_padded(self, features: Features, padded: Tensor | None = None) -> fused_norm.WithPadded:
        """The forward, and its result with the border that the next block needs."""
        inner = self._before_norm(features, padded)
        return self.norm2.with_padded(inner, residual=features, reflect=self.conv1.kernel_size[0] // 2)

    def _before_norm(self, features: Features, padded: Tensor | None) -> Tensor:
        first = self.conv1(features) if padded is None else self.conv1(padded, padded=True)
        return norm_and_convolve(self.norm1, self.conv2, first)


def check_size(height: int, width: int) -> None:
    """ValueError for a size that two halvings and two doublings do not reproduce."""
    if height % 4 or width % 4 or min(height, width) < 8:
        raise ValueError(
            f"{width} x {height} pixels do not fit the networks: both sides must be multiples of 4, at least 8"
        )
