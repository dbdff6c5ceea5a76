"""The pretrained weights that travel: copies in half precision, which are read where the whole file is missing.

VGG16 up to conv4_3 (15.3 MB of 58.9) for the content loss, EfficientNet-Lite0 without its last layer (7.0 MB of 18.8)
for scores. `cartoon_dist.pretrained` knows their hashes, so a copy is what these functions make, or it is refused.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cartoon_dist.errors import WeightsError
from cartoon_dist.files.half_tensors import half_bytes
from cartoon_dist.pretrained import known_weights, load_vgg, resolve
from cartoon_dist.vgg_layers import feature_positions, layer_names

if TYPE_CHECKING:
    from torch import Tensor

LAST_LAYER = "conv4_3"
"""The last layer of VGG16 that travels; the paper's VGG19 has its conv4_4 there."""


def half_copies(weights_folder: Path) -> dict[str, bytes]:
    """The files to pack, by name; WeightsError where the folder lacks the published ones."""
    makers: dict[str, Callable[[Path], dict[str, Tensor]]] = {"vgg16": _vgg16, "efficientnet_lite0": _efficientnet}
    files = {}
    for name, make in makers.items():
        half = known_weights(name).half
        assert half is not None
        resolve(name, weights_folder)  # the published file: no copy is made of a copy
        files[half.file] = half_bytes(make(weights_folder))
        if hashlib.sha256(files[half.file]).hexdigest() != half.sha256:
            raise WeightsError(f"{half.file}: this version of safetensors writes other bytes than pretrained.py lists")
    return files


def _vgg16(folder: Path) -> "dict[str, Tensor]":
    positions = feature_positions("vgg16")[: layer_names("vgg16").index(LAST_LAYER) + 1]
    convolutions = load_vgg("vgg16", folder)
    return {
        f"features.{at}.{part}": convolutions[f"features.{at}.{part}"]
        for at in positions
        for part in ("weight", "bias")
    }


def _efficientnet(folder: Path) -> "dict[str, Tensor]":
    import torch

    state = torch.load(resolve("efficientnet_lite0", folder), map_location="cpu", weights_only=True)
    return {name: tensor for name, tensor in state.items() if not name.startswith("_fc.")}
