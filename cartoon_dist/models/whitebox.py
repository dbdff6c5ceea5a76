"""White-box Cartoonization's networks (Wang and Yu, CVPR 2020), written from a description of their layers.

Notation: k kernel, n channels, s stride; zeros at the borders (the generator may see a mirror image instead), at stride
2 on the right and below alone; biases, LReLU 0.2, no norm in the generator.
"""

from functools import partial
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.gpu.fused_padding import reflection_pad
from cartoon_dist.models.blocks import Padding, check_size, upsample_bilinear
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.models.discriminator import SLOPE
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.models.guided import guided_filter
from cartoon_dist.models.spectral import SpectralConvolution
from cartoon_dist.tensors import Features, Images, Logits, Maps

TRAINING_EPSILON = 1e-2
"""Epsilon of the guided filter after the U-net; after training the authors use 5e-3."""


class WhiteboxGenerator(CartoonGenerator):
    """Photo -> cartoon: a U-net of widths c, 2c, 4c, followed by a guided filter that keeps the photo's edges.

    channels: c, 32 in the original. epsilon: the filter's. padding: what lies beyond the borders; zeros are the
    original's, and leave a pale frame after a short training. guided: without the guided filter, outlines are drawn
    that the photo does not have. It does not use saliency. The last layer is linear, so a generated picture may leave
    [-1, 1].
    """

    def __init__(
        self,
        *,
        channels: int,
        num_blocks: int,
        epsilon: float = TRAINING_EPSILON,
        padding: Padding = "zeros",
        guided: bool = True,
    ) -> None:
        super().__init__()
        c, layer = channels, partial(_layer, padding=padding)
        self.first = layer(3, c, kernel=7)
        self.down1 = nn.Sequential(layer(c, c, stride=2), layer(c, 2 * c))
        self.down2 = nn.Sequential(
            layer(2 * c, 2 * c, stride=2),
            layer(2 * c, 4 * c),
            *(PlainResidualBlock(4 * c, padding=padding) for _ in range(num_blocks)),
            layer(4 * c, 2 * c),
        )
        self.up1 = nn.Sequential(layer(2 * c, 2 * c), layer(2 * c, c))
        self.up2 = nn.Sequential(layer(c, c), _convolution(c, 3, kernel=7, padding=padding))
        self.epsilon, self.guided = epsilon, guided
        self.saliency = None

    def forward(self, photo: Images, *, detach_joints: bool = False) -> GeneratorOutput:  # noqa: ARG002 (there are none)
        """The cartoon of each photo; both sides must be multiples of 4, at least 8 (ValueError)."""
        check_size(*photo.shape[2:])
        full = self.first(photo)  # n c h w
        half = self.down1(full)  # n 2c h/2 w/2
        quarter = self.down2(half)  # n 2c h/4 w/4
        features = self.up1(upsample_bilinear(quarter) + half)
        unfiltered = self.up2(upsample_bilinear(features) + full)
        if not self.guided:
            return GeneratorOutput(unfiltered, None)
        return GeneratorOutput(guided_filter(photo, unfiltered, radius_pixels=1, epsilon=self.epsilon), None)


class WhiteboxDiscriminator(nn.Module):
    """Is it a cartoon's surface (3 channels), or texture (1)? One logit for every eighth pixel; no sigmoid, no IN, a
    spectral norm on each convolution.

    channels: c, 32 in the original; the widths are c, c | 2c, 2c | 4c, 4c | 1.
    """

    def __init__(self, *, in_channels: int, channels: int) -> None:
        super().__init__()
        widths = (in_channels, channels, 2 * channels, 4 * channels)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [_layer(before, after, stride=2, spectral=True), _layer(after, after, spectral=True)]
        self.layers = nn.Sequential(*layers, _convolution(4 * channels, 1, kernel=1, spectral=True))

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Logits:
        """Maps n c h w -> n 1 h/8 w/8 logits, rounded up."""
        return self.layers(pictures)


class WhiteboxDiscriminators(nn.Module):
    """Both discriminators as one network: Adam treats each weight alone, so they train as two networks would."""

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.surface = WhiteboxDiscriminator(in_channels=3, channels=channels)
        self.texture = WhiteboxDiscriminator(in_channels=1, channels=channels)

    def forward(self, surfaces: Images, textures: Maps) -> tuple[Logits, Logits]:
        """The logits of each discriminator for its view of the same pictures."""
        return self.surface(surfaces), self.texture(textures)


class PlainResidualBlock(nn.Module):
    """x + k3(LReLU(k3(x)))."""

    def __init__(self, channels: int, *, padding: Padding) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, channels, padding=padding)
        self.conv2 = _convolution(channels, channels, padding=padding)

    def forward(self, features: Features) -> Features:
        """Maps of the same shape."""
        return features + self.conv2(functional.leaky_relu(self.conv1(features), SLOPE, inplace=True))


class StridedConvolution(nn.Module):
    """k3s2 over maps padded only below and on the right where both sides are even, as TensorFlow pads them."""

    def __init__(self, conv: nn.Module, *, padding: Padding) -> None:
        super().__init__()
        self.conv = conv
        self.padding = padding

    def forward(self, features: Features) -> Tensor:
        """Maps n c y x -> n c' y/2 x/2, rounded up."""
        odd_rows, odd_columns = features.shape[2] % 2, features.shape[3] % 2
        edges = (odd_columns, 1, odd_rows, 1)
        padded = reflection_pad(features, edges) if self.padding == "reflect" else functional.pad(features, edges)
        maps: Tensor = self.conv(padded)
        return maps


def _layer(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    spectral: bool = False,
    padding: Padding = "zeros",
) -> nn.Module:
    """k LReLU."""
    conv: nn.Module = _convolution(
        in_channels, out_channels, kernel=kernel, stride=stride, spectral=spectral, padding=padding
    )
    conv = StridedConvolution(conv, padding=padding) if stride == 2 else conv
    return nn.Sequential(conv, nn.LeakyReLU(SLOPE, inplace=True))


def _convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    spectral: bool = False,
    padding: Padding = "zeros",
) -> Convolution:
    kind = SpectralConvolution if spectral else Convolution
    edge, mode = (kernel // 2, padding) if stride == 1 else (0, "zeros")  # at stride 2 the maps come padded
    made = kind(in_channels, out_channels, kernel, stride=stride, padding=edge, padding_mode=mode)
    nn.init.xavier_uniform_(made.weight)
    assert made.bias is not None
    nn.init.zeros_(made.bias)
    if isinstance(made, SpectralConvolution):
        made.initialise_norm()
    return made
