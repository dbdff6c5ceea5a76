"""AnimeGAN's networks: counts added up layer by layer, and the same networks written out slowly."""

import copy
from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.models.animegan import AnimeDiscriminator, AnimeGenerator
from cartoon_dist.models.blocks import num_parameters
from cartoon_dist.models.spectral import SpectralConvolution
from tests.models import slow_networks
from tests.models.slow_networks import norm as slow_norm

Weights = Mapping[str, Tensor]


def pictures(*shape: int) -> Tensor:
    """Noise in [-1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 2 - 1


def shaken(network: nn.Module) -> nn.Module:
    """With weights large enough for every layer to show."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data.normal_(std=0.3)
    return network.double()


def layer(before: int, after: int, *, kernel: int = 3) -> int:
    """A convolution without bias and its affine norm."""
    return before * after * kernel**2 + 2 * after


def separable(before: int, after: int) -> int:
    """A 3x3 for each map, a 1x1 and the norm after both."""
    return before * 9 + layer(before, after, kernel=1)


def test_the_generators_count_layer_by_layer() -> None:
    block = layer(256, 512, kernel=1) + (512 * 9 + 2 * 512) + layer(512, 256, kernel=1)
    counts = {
        "down1": layer(3, 64) + layer(64, 64) + 2 * separable(64, 128),  # 1,856 + 36,992 + 2 x 9,024
        "down2": layer(128, 128) + separable(128, 128) + 2 * separable(128, 256),  # 147,712 + 17,792 + 2 x 34,432
        "middle": layer(256, 256) + 8 * block + layer(256, 256),  # 590,336 + 8 x 269,312 + 590,336
        "up2": separable(256, 128) + separable(128, 128) + layer(128, 128),  # 35,328 + 17,792 + 147,712
        "up1": separable(128, 128) + layer(128, 64) + layer(64, 64),  # 17,792 + 73,856 + 36,992
        "conv": 64 * 3,
    }
    assert list(counts.values()) == [56_896, 234_368, 3_335_168, 200_832, 128_640, 192]
    with torch.device("meta"):
        network = AnimeGenerator(channels=64, num_blocks=8)
    assert {name: num_parameters(network.get_submodule(name)) for name in counts} == counts
    assert num_parameters(network) == sum(counts.values()) == 3_956_096
    assert slow_networks.giga_multiplications(network) == pytest.approx(31.1, abs=0.05)


def test_the_discriminators_count_layer_by_layer() -> None:
    widths = (3, 32, 64, 128, 128, 256, 256, 1)
    convolutions = [before * after * 9 for before, after in pairwise(widths)]
    assert convolutions == [864, 18_432, 73_728, 147_456, 294_912, 589_824, 2_304]
    norms = 2 * (128 + 256 + 256)
    with torch.device("meta"):
        network = AnimeDiscriminator(channels=64)
        logits = network(torch.empty(1, 3, 256, 256))
    assert num_parameters(network) == sum(convolutions) + norms == 1_128_800
    assert slow_networks.giga_multiplications(network) == pytest.approx(5.8, abs=0.05)
    assert logits.shape == (1, 1, 64, 64)


def conv(
    w: Weights, name: str, maps: Tensor, *, stride: int = 1, edges: tuple[int, int, int, int] | None = None
) -> Tensor:
    """Reflected at all edges, or as told; for each map alone where the kernels are of one map."""
    kernel = w[f"{name}.weight"]
    edges = edges or (kernel.shape[2] // 2,) * 4
    groups = maps.shape[1] // kernel.shape[1]
    return functional.conv2d(functional.pad(maps, edges, mode="reflect"), kernel, stride=stride, groups=groups)


def norm(w: Weights, name: str, maps: Tensor) -> Tensor:
    """IN, affine, of eps 1e-6."""
    mean, variance = maps.mean((2, 3), keepdim=True), maps.var((2, 3), keepdim=True, correction=0)
    scale, shift = w[f"{name}.weight"].view(-1, 1, 1), w[f"{name}.bias"].view(-1, 1, 1)
    return (maps - mean) / (variance + 1e-6).sqrt() * scale + shift


def active(w: Weights, name: str, maps: Tensor) -> Tensor:
    """IN LReLU."""
    maps = norm(w, name, maps)
    return torch.where(maps > 0, maps, 0.2 * maps)


def plain(w: Weights, name: str, maps: Tensor) -> Tensor:
    """k IN LReLU."""
    return active(w, f"{name}.norm", conv(w, f"{name}.conv", maps))


def sep(w: Weights, name: str, maps: Tensor, *, stride: int = 1) -> Tensor:
    """Depthwise, pointwise, IN LReLU; at stride 2 reflected on the right and below alone."""
    if stride == 2:
        maps = conv(w, f"{name}.depthwise.conv", maps, stride=2, edges=(0, 1, 0, 1))
    else:
        maps = conv(w, f"{name}.depthwise", maps)
    return active(w, f"{name}.norm", conv(w, f"{name}.pointwise", maps))


def half(w: Weights, name: str, maps: Tensor) -> Tensor:
    """Sep s2 + Sep after the bilinear half."""
    resized = functional.interpolate(maps, scale_factor=0.5, mode="bilinear", align_corners=False)
    return sep(w, f"{name}.strided", maps, stride=2) + sep(w, f"{name}.resized", resized)


def irb(w: Weights, name: str, maps: Tensor) -> Tensor:
    """The inverted residual block."""
    inner = active(w, f"{name}.norm1", conv(w, f"{name}.depthwise", plain(w, f"{name}.widen", maps)))
    return maps + norm(w, f"{name}.norm2", conv(w, f"{name}.narrow", inner))


def double(maps: Tensor) -> Tensor:
    """Twice as large, bilinear."""
    return functional.interpolate(maps, size=(2 * maps.shape[2], 2 * maps.shape[3]), mode="bilinear")


def slow_generator(w: Weights, maps: Tensor, num_blocks: int) -> Tensor:
    """G by its list of layers."""
    maps = half(w, "down1.2", plain(w, "down1.1", plain(w, "down1.0", maps)))
    maps = half(w, "down2.2", sep(w, "down2.1", plain(w, "down2.0", maps)))
    maps = plain(w, "middle.0", maps)
    for index in range(num_blocks):
        maps = irb(w, f"middle.{1 + index}", maps)
    maps = double(plain(w, f"middle.{1 + num_blocks}", maps))
    maps = double(plain(w, "up2.2", sep(w, "up2.1", sep(w, "up2.0", maps))))
    maps = plain(w, "up1.2", plain(w, "up1.1", sep(w, "up1.0", maps)))
    return conv(w, "conv", maps).tanh()


def test_the_generator_against_its_list_of_layers() -> None:
    network, photo = shaken(AnimeGenerator(channels=4, num_blocks=2)), pictures(2, 3, 16, 12)
    drawing = network(photo)
    assert drawing.saliency is None
    torch.testing.assert_close(drawing.generated, slow_generator(network.state_dict(), photo, 2), rtol=1e-9, atol=1e-9)
    assert 0.1 < float(drawing.generated.detach().abs().max()) <= 1


def test_the_discriminator_against_its_list_of_layers() -> None:
    network, maps = shaken(AnimeDiscriminator(channels=4)), pictures(2, 3, 16, 24)
    for _ in range(300):
        for module in network.modules():
            if isinstance(module, SpectralConvolution):
                module.power_iteration()
    logits, w = network(maps), network.state_dict()
    for index, (stride, normed) in enumerate([(1, False), (2, False), (1, True), (2, False), (1, True), (1, True)]):
        kernel = w[f"layers.{index}.conv.weight"]
        kernel = kernel / torch.linalg.svdvals(kernel.flatten(1))[0]
        maps = functional.conv2d(maps, kernel, stride=stride, padding=1)
        maps = norm(w, f"layers.{index}.norm", maps) if normed else maps
        maps = torch.where(maps > 0, maps, 0.2 * maps)
    kernel = w["layers.6.weight"]
    slow = functional.conv2d(maps, kernel / torch.linalg.svdvals(kernel.flatten(1))[0], padding=1)
    torch.testing.assert_close(logits, slow, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (8, 20), (36, 12)])
def test_any_multiple_of_four(shape: tuple[int, int]) -> None:
    network = AnimeGenerator(channels=4, num_blocks=1).double()
    assert network(pictures(1, 3, *shape), detach_joints=True).generated.shape == (1, 3, *shape)
    with pytest.raises(ValueError, match="multiples of 4"):
        network(pictures(1, 3, shape[0] + 2, shape[1]))


def test_a_picture_is_drawn_alike_alone_in_company_and_after_training() -> None:
    network, photo = shaken(AnimeGenerator(channels=4, num_blocks=1)), pictures(3, 3, 16, 16)
    together = network(photo).generated
    torch.testing.assert_close(network(photo[1:2]).generated[0], together[1], rtol=1e-10, atol=1e-12)
    assert torch.equal(copy.deepcopy(network).eval()(photo).generated, together)


def test_first_weights_are_xaviers_but_for_depthwise_ones() -> None:
    torch.manual_seed(0)
    network = AnimeGenerator(channels=64, num_blocks=1)
    deep = network.get_parameter("middle.1.depthwise.weight")
    assert float(deep.detach().abs().max()) <= 0.04
    assert float(deep.detach().std()) == pytest.approx(0.02 * 0.8796, rel=0.05)  # of a normal cut at two deviations
    flat = network.get_parameter("middle.0.conv.weight").detach()
    limit = (6 / (9 * 256 + 9 * 256)) ** 0.5
    assert limit * 0.99 < float(flat.abs().max()) <= limit
    assert not any(name.endswith("conv.bias") for name, _ in network.named_parameters())
    assert not list(network.buffers())  # so the running average is of all that it draws with


def test_the_norms_are_of_the_original() -> None:
    network = AnimeGenerator(channels=4, num_blocks=1)
    assert {module.eps for module in network.modules() if isinstance(module, nn.InstanceNorm2d)} == {1e-6}
    flat = torch.full((1, 4, 4, 4), 0.5) + torch.randn(1, 4, 4, 4) * 1e-3
    assert float((nn.InstanceNorm2d(4, eps=1e-6)(flat) - slow_norm({}, "", flat)).abs().max()) > 0.1


def test_half_precision_draws_nearly_the_same() -> None:
    torch.manual_seed(0)
    network, photo = AnimeGenerator(channels=8, num_blocks=1), pictures(2, 3, 32, 32).float()
    with torch.autocast("cpu", torch.bfloat16):
        drawing = network(photo)
    drawing.generated.float().square().mean().backward()
    assert all(weight.grad is not None and bool(weight.grad.isfinite().all()) for weight in network.parameters())
    difference = (drawing.generated.float() - network(photo).generated).detach().abs()
    assert float(difference.mean()) < 0.02
