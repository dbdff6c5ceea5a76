"""D, the network that judges patches of a picture: CartoonGAN's discriminator."""

from torch import nn

from cartoon_dist.models.blocks import InstanceNorm, convolution
from cartoon_dist.tensors import Images, Logits

SLOPE = 0.2


class Discriminator(nn.Module):
    """Is it a cartoon? One logit for each patch of 37x37 pixels, every fourth pixel; no sigmoid. Its IN is not affine.

    channels: c, 64 in the paper; the widths are c/2 | c, 2c | 2c, 4c | 4c | 1. Beyond its patch a logit sees the
    rest of the picture only through the means and variances of IN.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        c = channels
        self.layers = nn.Sequential(
            _layer(3, c // 2, stride=1, norm=False),
            _layer(c // 2, c, stride=2, norm=False),
            _layer(c, 2 * c, stride=1, norm=True),
            _layer(2 * c, 2 * c, stride=2, norm=False),
            _layer(2 * c, 4 * c, stride=1, norm=True),
            _layer(4 * c, 4 * c, stride=1, norm=True),
            convolution(4 * c, 1, kernel=3),
        )

    def forward(self, pictures: Images) -> Logits:
        """Pictures in [-1, 1] -> n 1 h/4 w/4 logits, rounded up."""
        return self.layers(pictures)


def _layer(in_channels: int, out_channels: int, *, stride: int, norm: bool) -> nn.Sequential:
    """k3 [IN] LReLU."""
    layer = nn.Sequential()
    conv = convolution(in_channels, out_channels, kernel=3, stride=stride, before_norm=norm)
    layer.add_module("conv", conv)
    if norm:
        layer.add_module("norm", InstanceNorm(out_channels, affine=False, activation="leaky_relu", slope=SLOPE))
    else:
        # In place: otherwise a leaky ReLU keeps its input for the backward, beside the output that the next layer
        # keeps.
        layer.add_module("relu", nn.LeakyReLU(SLOPE, inplace=True))
    return layer
