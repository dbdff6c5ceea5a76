"""LPIPS with VGG16 (Zhang et al., CVPR 2018): over the whole picture, and weighted by a saliency map.

Here it measures whether a generated picture still shows the photo's subject; the style is measured by other metrics.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.files.array_pickle import read_arrays
from cartoon_dist.models.vgg import VGG
from cartoon_dist.pretrained import resolve, vgg16_convolutions
from cartoon_dist.tensors import Images, Maps

LAYER_INDICES = (3, 8, 15, 22, 29)
"""The layers of VGG16 whose output is compared: the last ReLU before each pooling, and of the last block."""


class LPIPS(nn.Module):
    """Squared differences of VGG16's features, each of unit length over its channels, weighted channel by channel.

    The package registry's file holds both VGG16 and these weights. Pictures are normalised as for ImageNet, as in the
    original.
    """

    def __init__(self) -> None:
        super().__init__()
        self.vgg = VGG(network="vgg16", layer="conv5_3", vgg_input="imagenet")
        widths = (64, 128, 256, 512, 512)
        self.weights = nn.ParameterList(nn.Parameter(torch.zeros(width), requires_grad=False) for width in widths)

    def forward(self, one: Images, other: Images) -> list[Float[Tensor, "n 1 y x"]]:
        """Where pictures in [-1, 1] differ, by layer, each at its own resolution; LPIPS sums the maps' means."""
        return [
            ((a - b).square() * weight.view(-1, 1, 1)).sum(1, keepdim=True)
            for a, b, weight in zip(self._unit_features(one), self._unit_features(other), self.weights, strict=True)
        ]

    def _unit_features(self, pictures: Images) -> list[Tensor]:
        values, features = self.vgg.preprocess(pictures), []
        for index, layer in enumerate([*self.vgg.features, nn.ReLU()]):
            values = layer(values)
            if index in LAYER_INDICES:
                features.append(values / (values.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return features


def load_lpips(folder: Path, device: torch.device) -> LPIPS:
    """LPIPS with the weights of the folder's `vgg16`; WeightsError when they are missing."""
    arrays = read_arrays(resolve("vgg16", folder))
    network = LPIPS()
    network.vgg.load(vgg16_convolutions(arrays))
    for index, weight in enumerate(network.weights):
        values = np.ascontiguousarray(arrays[f"NetLinLayer_{index}"]["Conv_0"]["kernel"].reshape(-1))
        weight.data.copy_(torch.from_numpy(values))
    return network.to(device)


def lpips_and_salient(layers: list[Float[Tensor, "n 1 y x"]], salient: Maps) -> tuple[Tensor, Tensor]:
    """LPIPS of each picture, and the same with each place weighted by the label (in [-1, 1]): at each layer the label
    is shrunk by area to the layer's resolution. A label that is nowhere salient weights all places equally."""
    whole = torch.stack([part.mean((1, 2, 3)) for part in layers]).sum(0)
    weighted = []
    for part in layers:
        share = functional.interpolate((salient + 1) / 2, part.shape[2:], mode="area") + 1e-6
        weighted.append((part * share).sum((1, 2, 3)) / share.sum((1, 2, 3)))
    return whole, torch.stack(weighted).sum(0)
