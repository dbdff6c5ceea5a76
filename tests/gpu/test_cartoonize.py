"""Drawings on a GPU beside the CPU's, in one piece and in strips: no byte is off by more than one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.distributed.devices import without_tf32
from cartoon_dist.inference.batched import Cartoonizer, torch_cartoonizer
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import networks_from_config

pytestmark = pytest.mark.gpu
SHAPE = (148, 204, 3)


def generator(method: str) -> CartoonGenerator:
    """A generator whose weights are large enough for a drawing that is far from grey."""
    words = ["model.channels=8", "model.num_blocks=2", f"method={method}"]
    words += [] if method == "cartoongan" else ["model.saliency=none", "model.attention=none"]
    made = networks_from_config.initial_networks(read(TrainSettings, [], words, run_dir="none"))["generator"]
    assert isinstance(made, CartoonGenerator)
    shaken = torch.Generator().manual_seed(0)
    for weight in made.parameters():
        weight.data.add_(torch.randn(weight.shape, generator=shaken) * 0.1)
    return made.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("megapixels", [1.0, 0.01], ids=["whole", "strips"])
@pytest.mark.parametrize("method", ["cartoongan", "animegan"])
def test_a_drawing_is_the_cpus(
    method: str, megapixels: float, device: torch.device, record_property: Callable[[str, object], None]
) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (SHAPE[0] // 4, SHAPE[1] // 4, 3), np.uint8)
    photo = photo.repeat(4, 0).repeat(4, 1)
    drawings = []
    with without_tf32():
        for where in (torch.device("cpu"), device):
            cartoonizer: Cartoonizer = torch_cartoonizer(generator(method), where, megapixels=megapixels)
            [drawing] = cartoonizer.cartoonize([photo], on_pass=lambda _done, _of: None)
            drawings.append(np.asarray(drawing).astype(int))
    assert drawings[0].std() > 10
    difference = int(np.abs(drawings[0] - drawings[1]).max())
    record_property("largest_difference", difference)
    assert difference <= 1
