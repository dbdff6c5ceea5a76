"""The spectral norm: beside torch's own, beside the singular values, and what may and may not move it."""

import copy
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from cartoon_dist.models.spectral import SpectralConvolution, update_spectral_norms


def made(dtype: torch.dtype = torch.float64) -> SpectralConvolution:
    torch.manual_seed(1)
    return SpectralConvolution(6, 16, 3, padding=1, bias=False).to(dtype)


def maps(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(2), dtype=dtype)


def test_it_trains_as_torchs_own() -> None:
    """Each D step moves u and v once, in a forward of training; each G step looks with them as they are (eval)."""
    ours = made()
    theirs = nn.Conv2d(6, 16, 3, padding=1, bias=False).double()
    theirs.load_state_dict({"weight": ours.weight})
    parametrizations.spectral_norm(theirs)
    held = theirs.parametrizations.weight  # type: ignore[attr-defined]
    held[0]._u.copy_(ours.u)
    held[0]._v.copy_(ours.v)
    adams = [torch.optim.Adam(network.parameters(), lr=0.02) for network in (ours, theirs)]
    for _ in range(5):
        ours.power_iteration()
        for network, adam in zip((ours, theirs.train()), adams, strict=True):
            adam.zero_grad()
            network(maps()).square().mean().backward()
            adam.step()
        torch.testing.assert_close(ours.weight, held.original, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(ours.u, held[0]._u, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(ours.v, held[0]._v, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(ours(maps()), theirs.eval()(maps()), rtol=1e-10, atol=1e-12)


def test_it_comes_to_divide_by_the_largest_singular_value() -> None:
    layer = made().requires_grad_(False)  # noqa: FBT003
    largest = float(torch.linalg.svdvals(layer.weight.detach().flatten(1))[0])
    off = []
    for _ in range(200):
        layer.power_iteration()
        sigma = (layer.u[:, None] * layer.weight.flatten(1) * layer.v).sum()
        off.append(abs(float(sigma) / largest - 1))
    assert off[-1] < 1e-9
    assert off[0] < 0.05  # settled when it was made
    expected = nn.functional.conv2d(maps(), layer.weight / largest, padding=1)
    torch.testing.assert_close(layer(maps()), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("trained", "frozen"), list(product((True, False), repeat=2)))
def test_a_forward_moves_nothing_and_a_step_of_it_moves_in_place(trained: bool, frozen: bool) -> None:  # noqa: FBT001
    layer = made().train(trained).requires_grad_(not frozen)
    before, where = copy.deepcopy(layer.state_dict()), [held.data_ptr() for held in layer.buffers()]
    first = layer(maps())
    assert torch.equal(layer(maps()), first)
    assert all(torch.equal(held, before[name]) for name, held in layer.state_dict().items())
    update_spectral_norms(nn.Sequential(layer))
    assert not torch.equal(layer.u, before["u"])
    assert [held.data_ptr() for held in layer.buffers()] == where
    assert torch.equal(layer.weight, before["weight"])


def test_its_vectors_are_saved_and_taken_up() -> None:
    layer, other = made(), SpectralConvolution(6, 16, 3, padding=1, bias=False).double()
    layer.power_iteration()
    assert set(layer.state_dict()) == {"weight", "u", "v"}
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(maps()), layer(maps()))


def test_autocast_does_not_round_the_norm() -> None:
    layer = made(torch.float32)
    with torch.no_grad():
        layer.weight.mul_(1 + 2**-10)  # half precision would lose it
        layer.initialise_norm()
        sigma = torch.linalg.svdvals(layer.weight.flatten(1))[0]
        for _ in range(100):
            layer.power_iteration()
        seen: list[Tensor] = []
        layer.convolve_with = lambda maps, weight, **_: seen.append(weight) or maps  # type: ignore[method-assign, func-returns-value, assignment]
        with torch.autocast("cpu", torch.bfloat16):
            layer(maps(torch.float32))
    assert seen[0].dtype == torch.float32
    torch.testing.assert_close(seen[0], layer.weight / sigma, rtol=1e-5, atol=1e-7)
