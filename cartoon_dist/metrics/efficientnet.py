"""EfficientNet-Lite0, an ImageNet classifier whose weights are in the package registry: features for scores without
the internet.

Tan and Le, ICML 2019, in its Lite form: no squeeze-and-excitation, ReLU6, stem and head of fixed width. Parameter
names are those of the published state.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.files.half_tensors import read_half
from cartoon_dist.tensors import Bytes, Features

PIXELS = 224
WIDTH = 1280
_EPSILON = 1e-3


class Group(NamedTuple):
    """A row of the paper's table: blocks that are equal except for the first's stride and input width."""

    expansion: int
    channels: int
    num_blocks: int
    stride: int
    kernel: int


GROUPS = (
    Group(1, 16, 1, 1, 3),
    Group(6, 24, 2, 2, 3),
    Group(6, 40, 2, 2, 5),
    Group(6, 80, 3, 2, 3),
    Group(6, 112, 3, 1, 5),
    Group(6, 192, 4, 2, 5),
    Group(6, 320, 1, 1, 3),
)
"""EfficientNet-B0's, which Lite0 keeps."""


class SameConvolution(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow pads: to ceil(side / stride), the odd pixel right and below."""

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Maps n c y x -> n c' ceil(y/s) ceil(x/s)."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in input.shape[2:])
        return super().forward(
            functional.pad(input, (width // 2, width - width // 2, height // 2, height - height // 2))
        )


class Block(nn.Module):
    """Inverted residual: widened by 1x1, depthwise, narrowed by 1x1 without activation; added to its input where the
    shapes are equal."""

    def __init__(self, in_channels: int, out_channels: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.adds = stride == 1 and in_channels == out_channels
        self.widens = expansion != 1
        if self.widens:
            self._expand_conv = SameConvolution(in_channels, width, kernel=1)
            self._bn0 = nn.BatchNorm2d(width, eps=_EPSILON)
        self._depthwise_conv = SameConvolution(width, width, kernel=kernel, stride=stride, groups=width)
        self._bn1 = nn.BatchNorm2d(width, eps=_EPSILON)
        self._project_conv = SameConvolution(width, out_channels, kernel=1)
        self._bn2 = nn.BatchNorm2d(out_channels, eps=_EPSILON)

    def forward(self, features: Features) -> Tensor:
        """Maps n c y x -> n c' y/s x/s."""
        inner = functional.relu6(self._bn0(self._expand_conv(features))) if self.widens else features
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        return inner + features if self.adds else inner


class EfficientNetLite0(nn.Module):
    """The whole classifier, frozen; `features` is the input of its last layer."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConvolution(3, 32, kernel=3, stride=2)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        blocks, channels = nn.ModuleList(), 32
        for group in GROUPS:
            for index in range(group.num_blocks):
                stride = group.stride if index == 0 else 1
                blocks.append(
                    Block(channels, group.channels, expansion=group.expansion, kernel=group.kernel, stride=stride)
                )
                channels = group.channels
        self._blocks = blocks
        self._conv_head = SameConvolution(channels, WIDTH, kernel=1)
        self._bn1 = nn.BatchNorm2d(WIDTH, eps=_EPSILON)
        self._fc = nn.Linear(WIDTH, 1000)
        self.requires_grad_(requires_grad=False)
        self.eval()

    def features(self, pictures: Bytes) -> Float[Tensor, "n 1280"]:
        """Pooled features of RGB pictures in 0..255: resized to 224 (bilinear), (x - 127) / 128."""
        x = functional.interpolate(pictures.float(), size=(PIXELS, PIXELS), mode="bilinear", align_corners=False)
        x = functional.relu6(self._bn0(self._conv_stem((x - 127) / 128)))
        for block in self._blocks:
            x = block(x)
        return functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    def forward(self, pictures: Bytes) -> Float[Tensor, "n 1000"]:
        """ImageNet's logits."""
        return self._fc(self.features(pictures))


def load(state: dict[str, Tensor]) -> EfficientNetLite0:
    """The network with its published weights."""
    network = EfficientNetLite0()
    network.load_state_dict(state)
    return network


def load_file(path: str) -> EfficientNetLite0:
    """The network from the published file, or from its copy in half precision, which lacks the last layer and gives
    features alone; nothing in the file is executed."""
    if path.endswith(".safetensors"):
        network = EfficientNetLite0()
        missing, unknown = network.load_state_dict(read_half(Path(path)), strict=False)
        assert (set(missing), unknown) == ({"_fc.weight", "_fc.bias"}, []), "the file's hash was checked"
        return network
    return load(torch.load(path, map_location="cpu", weights_only=True))
