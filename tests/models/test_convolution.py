"""The networks' convolution: biases that an instance norm takes away, and channels filled up for a GPU."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cartoon_dist.cpu import switch
from cartoon_dist.gpu import layout
from cartoon_dist.models.blocks import InstanceNorm, ResidualBlock, convolution
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.models.discriminator import Discriminator
from cartoon_dist.models.generator import Generator
from cartoon_dist.models.saliency_net import SaliencyNetwork


def maps_of(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_a_bias_before_a_norm_does_nothing_and_has_a_gradient_of_zeros() -> None:
    torch.manual_seed(0)
    block, maps = ResidualBlock(4, affine=True).double(), maps_of(2, 4, 6, 6)
    before = block(maps)
    with torch.no_grad():
        for conv in (block.conv1, block.conv2):
            assert conv.bias is not None
            conv.bias.normal_()
    after = block(maps)
    assert torch.equal(before, after)
    after.square().sum().backward()
    for conv in (block.conv1, block.conv2):
        assert conv.bias is not None
        assert torch.equal(conv.bias.grad, torch.zeros_like(conv.bias))
        assert conv.weight.grad is not None
        assert conv.weight.grad.any()


def test_adam_leaves_such_a_bias_where_it_is_and_moves_all_others() -> None:
    torch.manual_seed(0)
    network = Discriminator(channels=4)
    start = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    adam = torch.optim.Adam(network.parameters(), lr=1e-2, fused=True)
    for _ in range(3):
        network(maps_of(1, 3, 16, 16).float()).square().mean().backward()
        adam.step()
        adam.zero_grad()
    stayed = {name for name, weight in network.named_parameters() if torch.equal(weight, start[name])}
    assert stayed == {f"layers.{index}.conv.bias" for index in (2, 4, 5)}


def test_every_bias_that_is_left_out_stands_directly_before_a_norm() -> None:
    saliency = SaliencyNetwork(channels=4, out_channels=1, wiring="projection", upsample="transposed")
    generator = Generator(channels=4, num_blocks=1, upsample="transposed", saliency=saliency, attention=True)
    for network in (generator, Discriminator(channels=4)):
        order = [
            module for module in network.modules() if isinstance(module, (Convolution, InstanceNorm, nn.LeakyReLU))
        ]
        left_out = [module for module in order if isinstance(module, Convolution) and module.before_norm]
        norms = [module for module in order if isinstance(module, InstanceNorm)]
        assert len(left_out) == len(norms) > 2
        for conv in left_out:
            assert isinstance(order[order.index(conv) + 1], InstanceNorm)


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
@pytest.mark.parametrize(("channels", "kernel"), [((3, 16), 7), ((16, 3), 7), ((16, 1), 3), ((2, 1), 7), ((3, 16), 1)])
def test_channels_filled_up_compute_the_same(channels: tuple[int, int], kernel: int, padding: str) -> None:
    torch.manual_seed(0)
    conv = convolution(*channels, kernel=kernel, padding=padding).double()  # type: ignore[arg-type]
    assert conv.bias is not None
    nn.init.normal_(conv.bias)
    maps = maps_of(2, channels[0], 8, 12).requires_grad_()
    wanted = [maps, conv.weight, conv.bias]
    with switch.disabled():
        expected = conv(maps)
        of_expected = torch.autograd.grad(expected.square().sum(), wanted)
        with layout.forced():
            found = conv(maps.contiguous(memory_format=torch.channels_last))
            of_found = torch.autograd.grad(found.square().sum(), wanted)
    for one, other in zip((expected, *of_expected), (found, *of_found), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)


def test_only_few_channels_are_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[tuple[int, int]] = []
    plain = functional.conv2d

    def watched(maps: Tensor, weight: Tensor, *rest: object) -> Tensor:
        widths.append((maps.shape[1], len(weight)))
        return plain(maps, weight, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(functional, "conv2d", watched)
    with switch.disabled(), layout.forced():
        for inner, outer in ((3, 16), (16, 1), (2, 1), (16, 12)):
            assert convolution(inner, outer, kernel=3)(maps_of(1, inner, 8, 8).float()).shape == (1, outer, 8, 8)
    assert widths == [(8, 16), (16, 8), (8, 8), (16, 12)]
    convolution(3, 16, kernel=3, padding="reflect")(maps_of(1, 3, 8, 8).float().requires_grad_())
    assert widths[-1] == (3, 16)
