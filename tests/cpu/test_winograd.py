"""Winograd's convolution against torch's, forward and backward."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from cartoon_dist.cpu import winograd
from cartoon_dist.models.convolution import Convolution
from cartoon_dist.models.vgg import FrozenConvolution

SHAPES = [(1, 4, 4), (2, 8, 20), (3, 16, 16), (1, 64, 48), (2, 48, 64), (9, 16, 16)]
"""Pictures, height, width: less than a chunk of tiles, several of them, bands of a picture that do not divide it."""


@pytest.fixture(autouse=True)
def _for_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "_MIN_TILES", 1)
    monkeypatch.setattr(winograd, "_MIN_WEIGHTS", 1)
    torch.manual_seed(0)


def both_ways(layer: nn.Conv2d, maps: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The result and each gradient, ours and torch's."""
    assert winograd.is_faster(maps, layer.weight, layer.stride)
    theirs = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        3,
        padding=1,
        padding_mode=layer.padding_mode,
        bias=layer.bias is not None,
    ).to(maps.dtype)
    theirs.load_state_dict(layer.state_dict())
    results = [layer(maps), theirs(maps)]
    steer = torch.randn_like(results[0])
    yield results[0], results[1]
    mine, other = (
        torch.autograd.grad(made, [maps, *of.parameters()], steer)
        for made, of in zip(results, (layer, theirs), strict=True)
    )
    yield from zip(mine, other, strict=True)


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_in_float64(shape: tuple[int, int, int], padding: str, *, bias: bool) -> None:
    num, height, width = shape
    layer = Convolution(5, 7, 3, padding=1, padding_mode=padding, bias=bias).double()
    maps = torch.randn(num, 5, height, width, dtype=torch.float64, requires_grad=True)
    for ours, theirs in both_ways(layer, maps):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


def test_nearly_the_same_in_float32() -> None:
    layer = Convolution(64, 64, 3, padding=1)
    maps = torch.randn(2, 64, 32, 32, requires_grad=True)
    for ours, theirs in both_ways(layer, maps):
        assert (ours - theirs).norm() < 2e-5 * theirs.norm()


def test_gradients_of_some_inputs_alone() -> None:
    layer = Convolution(3, 4, 3, padding=1).double()
    maps = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    [of_weight] = torch.autograd.grad(layer(maps).square().sum(), [layer.weight])
    [again, of_maps] = torch.autograd.grad(layer(maps.requires_grad_()).square().sum(), [layer.weight, maps])
    assert torch.equal(of_weight, again)
    layer.requires_grad_(requires_grad=False)
    [alone] = torch.autograd.grad(layer(maps).square().sum(), [maps])
    assert torch.equal(alone, of_maps)


def test_a_frozen_kernel_holds_no_maps() -> None:
    layer = FrozenConvolution(4, 4, 3, padding=1).requires_grad_(requires_grad=False)
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        layer(torch.randn(1, 4, 16, 16, requires_grad=True))
    assert sum(tensor.numel() for tensor in kept if tensor is not layer.weight) == 0


def test_a_traced_step_replays() -> None:
    layer = Convolution(3, 4, 3, padding=1, padding_mode="reflect").double()

    def step(maps: Tensor) -> list[Tensor]:
        maps = maps.detach().requires_grad_()
        return list(torch.autograd.grad(layer(maps).square().sum(), [maps, layer.weight, layer.bias]))

    traced, other = make_fx(step)(torch.randn(2, 3, 8, 8).double()), torch.randn(2, 3, 8, 8).double()
    assert all(torch.equal(ours, eager) for ours, eager in zip(traced(other), step(other), strict=True))


def test_what_it_does_not_suit() -> None:
    weight = torch.randn(4, 3, 3, 3)
    maps = torch.randn(1, 3, 8, 8)
    assert winograd.is_faster(maps, weight, (1, 1))
    assert not winograd.is_faster(maps, weight, (2, 2))
    assert not winograd.is_faster(maps[..., :6], weight, (1, 1))
    assert not winograd.is_faster(maps, torch.randn(4, 3, 1, 1), (1, 1))
    assert not winograd.is_faster(maps.to("meta"), weight.to("meta"), (1, 1))
    assert not winograd.is_faster(maps.bfloat16(), weight.bfloat16(), (1, 1))
    with torch.autocast("cpu", torch.bfloat16):
        assert not winograd.is_faster(maps, weight, (1, 1))


def test_without_gradients_the_trained_networks_convolutions_are_torchs() -> None:
    layer, maps = Convolution(8, 8, 3, padding=1), torch.randn(1, 8, 16, 16)
    with torch.no_grad():
        assert torch.equal(layer(maps), nn.functional.conv2d(maps, layer.weight, layer.bias, padding=1))
