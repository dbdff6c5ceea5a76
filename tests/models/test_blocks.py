"""The shared pieces against numpy and against themselves done slowly."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.models.blocks import (
    ResidualBlock,
    check_size,
    convolution,
    instance_norm,
    num_parameters,
    up_stage,
    upsample_convolution,
)
from cartoon_dist.models.discriminator import Discriminator
from cartoon_dist.models.generator import Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork


def noise(*shape: int) -> Tensor:
    """Doubles from a seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_parameters_are_counted() -> None:
    # 2 kernels of 5 x 3 x 3 and 2 biases; a weight and a bias for each of 2 maps.
    assert num_parameters(nn.Sequential(convolution(5, 2, kernel=3), instance_norm(2, affine=True))) == 92 + 4


def test_every_layer_of_every_network_is_initialised() -> None:
    torch.manual_seed(0)
    saliency = SaliencyNetwork(channels=32, out_channels=1, wiring="projection", upsample="transposed")
    generator = Generator(channels=32, num_blocks=1, upsample="resize", saliency=saliency, attention=True)
    for network in (generator, Discriminator(channels=32)):
        for name, parameter in network.state_dict().items():
            if "norm" in name:
                assert torch.equal(parameter, torch.full_like(parameter, float("weight" in name))), name
            elif "bias" in name:
                assert not parameter.any(), name
            else:  # the deviation of n draws is known to about 1/sqrt(2n)
                slack = 5 / (2 * parameter.numel()) ** 0.5
                assert float(parameter.std()) == pytest.approx(0.02, rel=slack), name
                assert abs(float(parameter.mean())) < 5 * 0.02 / parameter.numel() ** 0.5, name


def test_a_network_handed_over_keeps_its_weights() -> None:
    saliency = SaliencyNetwork(channels=4, out_channels=1, wiring="sal", upsample="transposed")
    before = {name: tensor.clone() for name, tensor in saliency.state_dict().items()}
    generator = Generator(channels=4, num_blocks=1, upsample="transposed", saliency=saliency, attention=True)
    after = generator.state_dict()
    assert all(torch.equal(after[f"saliency.{name}"], tensor) for name, tensor in before.items())


def test_instance_norm_sees_one_map_of_one_picture() -> None:
    maps = noise(2, 3, 4, 5)
    array = maps.numpy()
    mean, variance = array.mean((2, 3), keepdims=True), array.var((2, 3), keepdims=True)
    norm = instance_norm(3, affine=False).double()
    np.testing.assert_allclose(norm(maps).numpy(), (array - mean) / np.sqrt(variance + 1e-5), rtol=1e-12)
    assert torch.equal(norm(maps), norm.eval()(maps))


def test_residual_block_reflects_at_the_border() -> None:
    block, maps = ResidualBlock(4, affine=True).double(), noise(2, 4, 5, 6)

    def step(held: Tensor, conv: nn.Conv2d) -> Tensor:
        padded = np.pad(held.detach().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
        array = functional.conv2d(torch.from_numpy(padded), conv.weight, conv.bias).detach().numpy()
        variance = array.var((2, 3), keepdims=True)
        return torch.from_numpy((array - array.mean((2, 3), keepdims=True)) / np.sqrt(variance + 1e-5))

    slow = maps + step(step(maps, block.conv1).clamp(min=0), block.conv2)
    torch.testing.assert_close(block(maps), slow, rtol=1e-10, atol=1e-10)


def test_resize_repeats_pixels_and_convolves() -> None:
    layer, maps = upsample_convolution(4, 2, upsample="resize").double(), noise(1, 4, 3, 5)
    assert isinstance(layer, nn.Conv2d)
    repeated = torch.from_numpy(maps.numpy().repeat(2, axis=2).repeat(2, axis=3))
    slow = functional.conv2d(repeated, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(maps), slow)


def test_resize_leaves_flat_areas_flat_and_transposed_does_not() -> None:
    torch.manual_seed(0)
    flat = torch.ones(1, 4, 6, 6)
    inside = {
        kind: upsample_convolution(4, 1, upsample=kind)(flat)[0, 0, 2:-2, 2:-2] for kind in ("resize", "transposed")
    }
    assert float(inside["resize"].detach().std()) < 1e-7
    assert float(inside["transposed"].detach().std()) > 1e-3


def test_both_ways_up_learn_equally_much_and_double_the_sides() -> None:
    ways = [up_stage(8, 4, upsample=kind, affine=True) for kind in ("transposed", "resize")]
    assert num_parameters(ways[0]) == num_parameters(ways[1])
    assert [name for name, _ in ways[0].named_parameters()] == [name for name, _ in ways[1].named_parameters()]
    assert all(way(torch.zeros(1, 8, 3, 5)).shape == (1, 4, 6, 10) for way in ways)


@pytest.mark.parametrize(("height", "width"), [(4, 16), (16, 4), (16, 18), (10, 16), (0, 8)])
def test_sides_that_do_not_come_back_are_refused(height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"{width} x {height} .* multiples of 4, at least 8"):
        check_size(height, width)


def test_sides_that_come_back_are_taken() -> None:
    check_size(8, 8)
    check_size(12, 256)
