"""VGG's convolutions by name (Simonyan and Zisserman, ICLR 2015), for settings, networks and weight files alike."""

from typing import Literal

Network = Literal["vgg16", "vgg19"]

NUM_CONVOLUTIONS: dict[Network, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
"""How many convolutions stand between two poolings."""


def layer_names(network: Network) -> list[str]:
    """The names of the network's convolutions, in order: conv1_1, conv1_2, conv2_1, ..."""
    return [
        f"conv{block}_{index + 1}"
        for block, num in enumerate(NUM_CONVOLUTIONS[network], start=1)
        for index in range(num)
    ]


def feature_positions(network: Network) -> list[int]:
    """Where torchvision's VGG has its convolutions, as N of `features.N`: each is followed by a ReLU, each group by a
    pooling."""
    positions, at = [], 0
    for num in NUM_CONVOLUTIONS[network]:
        positions += [at + 2 * index for index in range(num)]
        at += 2 * num + 1
    return positions
