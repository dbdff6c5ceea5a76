"""White-box's networks: counts added up layer by layer, and the same networks written out slowly."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.models.blocks import Padding, num_parameters
from cartoon_dist.models.guided import guided_filter
from cartoon_dist.models.whitebox import WhiteboxDiscriminator, WhiteboxGenerator
from tests.models import slow_networks

Weights = Mapping[str, Tensor]


def layer(before: int, after: int, kernel: int = 3) -> int:
    """A convolution with biases."""
    return before * after * kernel**2 + after


def pictures(*shape: int) -> Tensor:
    """Noise in [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1


def test_the_generators_count_layer_by_layer() -> None:
    counts = {
        "first": layer(3, 32, 7),
        "down1": layer(32, 32) + layer(32, 64),
        "down2": layer(64, 64) + layer(64, 128) + 4 * 2 * layer(128, 128) + layer(128, 64),
        "up1": layer(64, 64) + layer(64, 32),
        "up2": layer(32, 32) + layer(32, 3, 7),
    }
    assert list(counts.values()) == [4_736, 27_744, 1_365_248, 55_392, 13_955]
    with torch.device("meta"):
        network = WhiteboxGenerator(channels=32, num_blocks=4)
    assert {name: num_parameters(network.get_submodule(name)) for name in counts} == counts
    assert num_parameters(network) == sum(counts.values()) == 1_467_075
    assert slow_networks.giga_multiplications(network) == pytest.approx(8.2, abs=0.05)


@pytest.mark.parametrize("in_channels", [1, 3])
def test_the_discriminators_count_and_shape(in_channels: int) -> None:
    widths = (in_channels, 32, 64, 128)
    expected = sum(layer(before, after) + layer(after, after) for before, after in pairwise(widths)) + layer(128, 1, 1)
    with torch.device("meta"):
        network = WhiteboxDiscriminator(in_channels=in_channels, channels=32)
        assert network(torch.empty(1, in_channels, 256, 256)).shape == (1, 1, 32, 32)
        assert network(torch.empty(1, in_channels, 20, 12)).shape == (1, 1, 3, 2)
    assert num_parameters(network) == expected == {3: 287_137, 1: 286_561}[in_channels]


def conv(w: Weights, name: str, maps: Tensor, *, stride: int = 1, beyond: str = "constant") -> Tensor:
    """Padded as TensorFlow's SAME lays its zeros: at stride 2 over an even side, on the right and below alone."""
    kernel, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    edge = kernel.shape[2] // 2
    edges = (0, 1, 0, 1) if stride == 2 else (edge,) * 4
    return functional.conv2d(functional.pad(maps, edges, mode=beyond), kernel, bias, stride=stride)


def leaky(maps: Tensor) -> Tensor:
    return torch.where(maps > 0, maps, 0.2 * maps)


def double(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, size=(2 * maps.shape[2], 2 * maps.shape[3]), mode="bilinear")


@pytest.mark.parametrize(("padding", "beyond"), [("zeros", "constant"), ("reflect", "reflect")])
def test_the_generator_against_its_list_of_layers(padding: Padding, beyond: str) -> None:
    torch.manual_seed(0)
    network = WhiteboxGenerator(channels=4, num_blocks=2, padding=padding).double()
    photo, w = pictures(2, 3, 16, 12), network.state_dict()
    convolved = partial(conv, w, beyond=beyond)
    full = leaky(convolved("first.0", photo))
    half = leaky(convolved("down1.1.0", leaky(convolved("down1.0.0.conv", full, stride=2))))
    deep = leaky(convolved("down2.1.0", leaky(convolved("down2.0.0.conv", half, stride=2))))
    for index in (2, 3):
        deep = deep + convolved(f"down2.{index}.conv2", leaky(convolved(f"down2.{index}.conv1", deep)))
    deep = double(leaky(convolved("down2.4.0", deep))) + half
    deep = double(leaky(convolved("up1.1.0", leaky(convolved("up1.0.0", deep))))) + full
    deep = convolved("up2.1", leaky(convolved("up2.0.0", deep)))
    drawing = network(photo)
    assert drawing.saliency is None
    expected = guided_filter(photo, deep, radius_pixels=1, epsilon=1e-2)
    torch.testing.assert_close(drawing.generated, expected, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="multiples of 4"):
        network(pictures(1, 3, 18, 16))


def slow_filter(guide: Tensor, given: Tensor, radius: int, epsilon: float) -> Tensor:
    """The filter of one map by its definition: a line fitted in each window, then the mean line of each pixel."""
    height, width = guide.shape

    def window(y: int, x: int) -> tuple[slice, slice]:
        return slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)

    a, b = torch.zeros_like(guide), torch.zeros_like(guide)
    for y in range(height):
        for x in range(width):
            here = window(y, x)
            ours, theirs = guide[here], given[here]
            covariance = ((ours - ours.mean()) * (theirs - theirs.mean())).mean()
            a[y, x] = covariance / (ours.var(correction=0) + epsilon)
            b[y, x] = theirs.mean() - a[y, x] * ours.mean()
    made = torch.zeros_like(guide)
    for y in range(height):
        for x in range(width):
            made[y, x] = a[window(y, x)].mean() * guide[y, x] + b[window(y, x)].mean()
    return made


@pytest.mark.parametrize(("radius", "epsilon"), [(1, 1e-2), (2, 0.2), (5, 0.2)])
def test_the_guided_filter_by_its_definition(radius: int, epsilon: float) -> None:
    guide, given = pictures(2, 3, 9, 11), pictures(2, 3, 9, 11).flip(0)
    made = guided_filter(guide, given, radius_pixels=radius, epsilon=epsilon)
    for n in range(2):
        for c in range(3):
            torch.testing.assert_close(made[n, c], slow_filter(guide[n, c], given[n, c], radius, epsilon))
    half = guided_filter(guide.bfloat16(), given.bfloat16(), radius_pixels=radius, epsilon=epsilon)
    assert half.dtype == torch.float32
