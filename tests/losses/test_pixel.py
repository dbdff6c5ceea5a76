"""The warm-up's pixel loss, by hand."""

import pytest
import torch

from cartoon_dist.losses.pixel import pixel_loss


def test_mean_of_absolute_differences() -> None:
    generated = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)
    photo = torch.tensor([-1.0, -1.0, 0.5]).view(1, 3, 1, 1)
    assert float(pixel_loss(generated, photo)) == pytest.approx((2 + 0 + 0.5) / 3)


def test_doubles_stay_doubles() -> None:
    ones = torch.ones(1, 3, 2, 2, dtype=torch.float64)
    assert pixel_loss(ones, ones / 3).dtype == torch.float64
    assert float(pixel_loss(ones, ones / 3)) == 2 / 3
