"""AnimeGAN's networks (Chen, Liu, Chen, ISICA 2019; the first version), written from a description of its layers.

Notation: k kernel, n channels, s stride; no convolution has a bias; IN is affine, eps 1e-6; LReLU 0.2.
"""

from collections import OrderedDict
from math import erf, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.gpu.fused_norm import Activation
from cartoon_dist.gpu.fused_padding import reflection_pad
from cartoon_dist.models.blocks import InstanceNorm, check_size, norm_and_convolve, upsample_bilinear
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.models.discriminator import SLOPE
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.models.spectral import SpectralConvolution
from cartoon_dist.tensors import Features, Images, Logits

EPSILON = 1e-6
DEPTHWISE_DEVIATION = 0.02


class AnimeGenerator(CartoonGenerator):
    """Photo -> cartoon: c | down 2c | down 4c, inverted residual blocks | up 2c | up c | k1 tanh.

    channels: c, 64 in the original. It does not use saliency.
    """

    def __init__(self, *, channels: int, num_blocks: int) -> None:
        super().__init__()
        c = channels
        self.down1 = nn.Sequential(_layer(3, c), _layer(c, c), DownConv(c, 2 * c))
        self.down2 = nn.Sequential(_layer(2 * c, 2 * c), _separable(2 * c, 2 * c), DownConv(2 * c, 4 * c))
        self.middle = nn.Sequential(
            _layer(4 * c, 4 * c), *(InvertedResidual(4 * c) for _ in range(num_blocks)), _layer(4 * c, 4 * c)
        )
        self.up2 = nn.Sequential(_separable(4 * c, 2 * c), _separable(2 * c, 2 * c), _layer(2 * c, 2 * c))
        self.up1 = nn.Sequential(_separable(2 * c, 2 * c), _layer(2 * c, c), _layer(c, c))
        self.conv = _convolution(c, 3, kernel=1)
        self.saliency = None

    def forward(self, photo: Images, *, detach_joints: bool = False) -> GeneratorOutput:  # noqa: ARG002 (there are none)
        """The cartoon of each photo, in [-1, 1]; both sides must be multiples of 4, at least 8 (ValueError)."""
        check_size(*photo.shape[2:])
        features = self.middle(self.down2(self.down1(photo)))  # n 4c h/4 w/4
        features = self.up1(upsample_bilinear(self.up2(upsample_bilinear(features))))  # n c h w
        return GeneratorOutput(self.conv(features).tanh(), None)


class AnimeDiscriminator(nn.Module):
    """Is it a cartoon in colour? One logit for each patch of 37x37 pixels, every fourth pixel; no sigmoid.

    channels: c, 64 in the original; the widths are c/2 | c, 2c | 2c, 4c | 4c | 1, with zeros at the borders and a
    spectral norm on each convolution.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        c = channels
        self.layers = nn.Sequential(
            _discriminator_layer(3, c // 2, stride=1, norm=False),
            _discriminator_layer(c // 2, c, stride=2, norm=False),
            _discriminator_layer(c, 2 * c, stride=1, norm=True),
            _discriminator_layer(2 * c, 2 * c, stride=2, norm=False),
            _discriminator_layer(2 * c, 4 * c, stride=1, norm=True),
            _discriminator_layer(4 * c, 4 * c, stride=1, norm=True),
            _spectral_convolution(4 * c, 1, stride=1),
        )

    def forward(self, pictures: Images) -> Logits:
        """Pictures in [-1, 1] -> n 1 h/4 w/4 logits, rounded up."""
        return self.layers(pictures)


class DownConv(nn.Module):
    """Down-Conv: half the resolution, as the sum of a separable convolution of stride 2 and one after bilinear
    downsampling."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.strided = _separable(in_channels, out_channels, stride=2)
        self.resized = _separable(in_channels, out_channels)

    def forward(self, features: Features) -> Tensor:
        """Maps n c 2y 2x -> n c' y x."""
        # Bilinear downsampling by 2 without antialiasing is the mean of 2x2 pixels; as a pooling its backward is
        # deterministic.
        return self.strided(features) + self.resized(functional.avg_pool2d(features, 2))


class InvertedResidual(nn.Module):
    """x + IN(k1(LReLU(IN(depthwise k3(LReLU(IN(k1(x)))))))), twice as wide inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widen = _layer(channels, 2 * channels, kernel=1)
        self.depthwise = _convolution(2 * channels, 2 * channels, kernel=3, depthwise=True)
        self.norm1 = _norm(2 * channels)
        self.narrow = _convolution(2 * channels, channels, kernel=1)
        self.norm2 = _norm(channels, activation="none")

    def forward(self, features: Features) -> Features:
        """Maps of the same shape; at least 2x2, or there is nothing to reflect."""
        widen, norm = self.widen
        wide = norm_and_convolve(norm, self.depthwise, widen(features))
        normed: Tensor = self.norm2(self.narrow(self.norm1(wide)), residual=features)
        return normed


class StridedDepthwise(nn.Module):
    """Depthwise k3s2 over maps that are reflected only below and on the right, as in the original."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _convolution(channels, channels, kernel=3, stride=2, depthwise=True)

    def forward(self, features: Features) -> Tensor:
        """Maps n c 2y 2x -> n c y x."""
        return self.conv(reflection_pad(features, (0, 1, 0, 1)))


def _layer(in_channels: int, out_channels: int, *, kernel: int = 3) -> nn.Sequential:
    """k IN LReLU, reflected."""
    return _norm_relu(OrderedDict(conv=_convolution(in_channels, out_channels, kernel=kernel)), out_channels)


def _separable(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """Depthwise k3 and k1, with nothing between, then IN LReLU."""
    depthwise = (
        StridedDepthwise(in_channels)
        if stride == 2
        else _convolution(in_channels, in_channels, kernel=3, depthwise=True)
    )
    pointwise = _convolution(in_channels, out_channels, kernel=1)
    return _norm_relu(OrderedDict(depthwise=depthwise, pointwise=pointwise), out_channels)


def _norm_relu(layers: "OrderedDict[str, nn.Module]", channels: int) -> nn.Sequential:
    return nn.Sequential(layers | OrderedDict(norm=_norm(channels)))


def _discriminator_layer(in_channels: int, out_channels: int, *, stride: int, norm: bool) -> nn.Sequential:
    """k3 [IN] LReLU."""
    layer = nn.Sequential(OrderedDict(conv=_spectral_convolution(in_channels, out_channels, stride=stride)))
    if norm:
        layer.add_module("norm", _norm(out_channels))
    else:
        layer.add_module("relu", nn.LeakyReLU(SLOPE, inplace=True))
    return layer


def _spectral_convolution(in_channels: int, out_channels: int, *, stride: int) -> SpectralConvolution:
    made = SpectralConvolution(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
    nn.init.xavier_uniform_(made.weight)
    made.initialise_norm()
    return made


def _convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int,
    stride: int = 1,
    depthwise: bool = False,
) -> Convolution:
    """Reflected at the borders; at stride 2 not at all."""
    padding = kernel // 2 if stride == 1 else 0
    made = Convolution(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=padding,
        padding_mode="reflect" if padding else "zeros",
        groups=in_channels if depthwise else 1,
        bias=False,
    )
    if depthwise:
        _truncated_normal(made.weight)
    else:
        nn.init.xavier_uniform_(made.weight)
    return made


@torch.no_grad()
def _truncated_normal(weight: Tensor) -> None:
    """N(0, 0.02) truncated at two deviations, by the inverse of the distribution: torch's own redraws values until all
    fit, which is impossible without data (meta device, --check-capture)."""
    weight.uniform_(-erf(sqrt(2)), erf(sqrt(2))).erfinv_().mul_(sqrt(2) * DEPTHWISE_DEVIATION)


def _norm(channels: int, *, activation: Activation = "leaky_relu") -> InstanceNorm:
    """IN LReLU."""
    return InstanceNorm(channels, affine=True, epsilon=EPSILON, activation=activation, slope=SLOPE)
