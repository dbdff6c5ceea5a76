"""Total variation, squared, by hand; the same however a picture lies in memory."""

import pytest
import torch

from cartoon_dist.losses.variation import squared_variation


def test_variation_by_hand() -> None:
    picture = torch.zeros(1, 3, 2, 2)
    picture[:, :, 0, 1] = 2.0  # rows (0, 2) and (0, 0): across 2, 0; down 0, -2
    assert float(squared_variation(picture)) == pytest.approx((4 + 0) / 2 + (0 + 4) / 2)


def test_it_is_the_same_in_channels_last_and_so_is_its_gradient() -> None:
    pictures = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    plain = squared_variation(pictures)
    [gradient] = torch.autograd.grad(plain, pictures)
    other = pictures.detach().to(memory_format=torch.channels_last).requires_grad_()
    moved = squared_variation(other)
    assert moved.item() == pytest.approx(plain.item(), rel=1e-6)
    [of_other] = torch.autograd.grad(moved, other)
    assert torch.allclose(of_other, gradient, rtol=1e-5)
    assert of_other.is_contiguous(memory_format=torch.channels_last)
