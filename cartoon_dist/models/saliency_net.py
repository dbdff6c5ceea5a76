"""S, the network that learns saliency labels and passes its features to the generator (Figs 6 and 7)."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from cartoon_dist.models.blocks import (
    Decoder,
    Padding,
    ResidualBlock,
    Upsample,
    check_size,
    convolution,
    encoder,
    instance_norm,
)
from cartoon_dist.tensors import Features, Images

Wiring = Literal["sal", "projection", "identity"]
"""The encoder's stages: plain, or with the residual connection of `ressal` wired in one of two ways."""

Stages = tuple[
    Float[Tensor, "n c h w"],
    Float[Tensor, "n 2*c h//2 w//2"],
    Float[Tensor, "n 4*c h//4 w//4"],
]
"""f1, f2, f3: the outputs of the encoder's three stages."""


class SaliencyNetwork(nn.Module):
    """Predicts the saliency of a photo: encoder c, 2c, 4c, decoder 2c, c, then k7 tanh. Its IN is not affine.

    channels: c, 64 in the paper. out_channels: 1 for a map. wiring: `sal` is the plain encoder. How `ressal` is wired
    is illegible in Fig 6: `projection` adds a 1x1 convolution of its input to each stage, `identity` follows each plain
    stage by a residual block. padding: of its 3x3 convolutions; the 7x7 ones reflect.
    """

    def __init__(
        self, *, channels: int, out_channels: int, wiring: Wiring, upsample: Upsample, padding: Padding = "zeros"
    ) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = _encoder(channels, wiring, padding)
        self.decoder = Decoder(channels, out_channels, upsample=upsample, affine=False, padding=padding)

    def forward(self, photo: Images) -> tuple[Float[Tensor, "n out h w"], Stages]:
        """The map in [-1, 1], 1 = salient, and f1, f2, f3; ValueError for sides not multiples of 4, or below 8."""
        check_size(*photo.shape[2:])
        full, half, quarter = self.encoder
        f1 = full(photo)
        f2 = half(f1)
        f3 = quarter(f2)
        return self.decoder(f3), (f1, f2, f3)


class ProjectionStage(nn.Module):
    """ReLU(main(x) + k1(x)), main = k IN ReLU k3 IN; k and k1 carry the stride."""

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int, stride: int, padding: Padding = "zeros"
    ) -> None:
        super().__init__()
        # Borders as in the plain stages that this one replaces: the 7x7 reflects, whatever the 3x3 do.
        of_first: Padding = "reflect" if kernel == 7 else padding
        self.conv1 = convolution(
            in_channels, out_channels, kernel=kernel, stride=stride, padding=of_first, before_norm=True
        )
        self.norm1 = instance_norm(out_channels, affine=False, activation="relu")
        self.conv2 = convolution(out_channels, out_channels, kernel=3, padding=padding, before_norm=True)
        self.norm2 = instance_norm(out_channels, affine=False, activation="relu")
        self.projection = convolution(in_channels, out_channels, kernel=1, stride=stride)

    def forward(self, features: Features) -> Float[Tensor, "n out_c out_y out_x"]:
        """Maps n c y x -> n c' y/s x/s."""
        main = self.conv2(self.norm1(self.conv1(features)))
        normed: Tensor = self.norm2(main, residual=self.projection(features))
        return normed


def _encoder(channels: int, wiring: Wiring, padding: Padding) -> nn.Sequential:
    c = channels
    if wiring == "projection":
        return nn.Sequential(
            ProjectionStage(3, c, kernel=7, stride=1, padding=padding),
            ProjectionStage(c, 2 * c, kernel=3, stride=2, padding=padding),
            ProjectionStage(2 * c, 4 * c, kernel=3, stride=2, padding=padding),
        )
    stages = encoder(c, affine=False, padding=padding)
    if wiring == "sal":
        return stages
    for stage, width in zip(stages, (c, 2 * c, 4 * c), strict=True):
        stage.add_module("residual", ResidualBlock(width, affine=False))
    return stages
