"""Frozen VGG features for the content loss (Simonyan and Zisserman, ICLR 2015)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from cartoon_dist.cpu import winograd
from cartoon_dist.errors import WeightsError
from cartoon_dist.gpu import layout
from cartoon_dist.models.convolution import filled_up
from cartoon_dist.tensors import Features, Images
from cartoon_dist.vgg_layers import NUM_CONVOLUTIONS, Network, layer_names

VGGInput = Literal["unit", "imagenet", "caffe"]
"""The input of VGG: RGB in [0, 1]; the same normalised by ImageNet's mean and deviation; BGR in 0..255 minus Caffe's
mean."""

WIDTHS = (64, 128, 256, 512, 512)


class Preprocessing(NamedTuple):
    """(x - mean) / deviation of x in [0, 1], its channels reversed first where VGG expects BGR."""

    reversed: bool
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


PREPROCESSING: dict[VGGInput, Preprocessing] = {
    "unit": Preprocessing(reversed=False, mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0)),
    "imagenet": Preprocessing(reversed=False, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    "caffe": Preprocessing(
        reversed=True,
        mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
        deviation=(1 / 255, 1 / 255, 1 / 255),
    ),
}


class VGG(nn.Module):
    """The features of a frozen VGG at one layer, before its ReLU (Eq 9 uses VGG19's conv4_4).

    layer: `convB_I`, the I-th convolution of block B; ValueError, with the known names, for any other.
    vgg_input: how pictures are preprocessed; it sets the scale of the features and so the effect of the content weight.
    The weights are arbitrary until `load`.
    """

    def __init__(self, *, network: Network, layer: str, vgg_input: VGGInput) -> None:
        super().__init__()
        self.network = network
        self.features = _features(network, layer)
        self.preprocessing = PREPROCESSING[vgg_input]
        self.mean = nn.Buffer(torch.tensor(self.preprocessing.mean).view(3, 1, 1), persistent=False)
        self.deviation = nn.Buffer(torch.tensor(self.preprocessing.deviation).view(3, 1, 1), persistent=False)
        self.requires_grad_(requires_grad=False)
        self.eval()

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Copy the weights it needs, by torchvision's names (`features.N.weight`); WeightsError if they do not fit."""
        for name, own in self.state_dict().items():
            if name not in weights or weights[name].shape != own.shape:
                shape = tuple(weights[name].shape) if name in weights else "nothing"
                raise WeightsError(
                    f"not the weights of {self.network}: {name} should be {tuple(own.shape)}, there is {shape}"
                )
            own.copy_(weights[name])

    def forward(self, pictures: Images) -> Features:
        """Pictures in [-1, 1] -> the layer's maps, halved once for each block before it."""
        return self.features(self.preprocess(pictures))

    def preprocess(self, pictures: Images) -> Images:
        """Pictures in [-1, 1] as the input of VGG."""
        unit = (pictures + 1) / 2
        if self.preprocessing.reversed:
            unit = unit.flip(1)
        return (unit - self.mean) / self.deviation


class FrozenConvolution(nn.Conv2d):
    """A frozen convolution by the fastest way, with gradients or without, as it is never exported."""

    def forward(self, input: Tensor) -> Tensor:
        """Maps n c y x -> n c' y x."""
        if winograd.is_faster(input, self.weight, self.stride):
            return winograd.winograd_convolution(input, self.weight, self.bias, reflect=False)
        if layout.pads_channels(input.device) and self.in_channels < layout.WIDE_ENOUGH:
            maps, weight, bias = filled_up(input, self.weight, self.bias)
            return self._conv_forward(maps, weight, bias)
        return super().forward(input)


def _features(network: Network, layer: str) -> nn.Sequential:
    """Layers up to the named convolution; their positions are those of torchvision's `features`."""
    layers: list[nn.Module] = []
    in_channels = 3
    for block, (num, width) in enumerate(zip(NUM_CONVOLUTIONS[network], WIDTHS, strict=True), start=1):
        for index in range(1, num + 1):
            layers.append(FrozenConvolution(in_channels, width, 3, padding=1))
            if f"conv{block}_{index}" == layer:
                return nn.Sequential(*layers)
            # In place: nothing else uses its input, which would be kept until the backward.
            layers.append(nn.ReLU(inplace=True))
            in_channels = width
        layers.append(nn.MaxPool2d(2))
    raise ValueError(f"{network} has no layer '{layer}'; there are {', '.join(layer_names(network))}")
