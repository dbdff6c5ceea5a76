"""White-box's losses by hand."""

import pytest
import torch

from cartoon_dist.losses.whitebox import (
    CHANNEL_RANGES,
    channel_weights,
    feature_distance,
    lsgan_discriminator_halved,
    texture,
    total_variation,
)


def test_a_colour_shift_by_hand() -> None:
    pixel = torch.tensor([1.0, 0.5, -1.0]).view(1, 3, 1, 1)
    weights = torch.tensor([0.3, 0.6, 0.1])
    assert float(texture(pixel, weights)) == pytest.approx((0.3 + 0.3 - 0.1) / 1.0)
    assert float(texture(pixel, 3 * weights)) == pytest.approx(0.5)
    grey = torch.full((2, 3, 2, 2), 0.25)
    assert torch.allclose(texture(grey, weights), torch.full((2, 1, 2, 2), 0.25))


def test_its_weights_lie_in_their_ranges() -> None:
    low, high = channel_weights(torch.zeros(3)), channel_weights(torch.ones(3))
    assert low.tolist() == pytest.approx([0.199, 0.487, 0.014])
    assert high.tolist() == pytest.approx([0.399, 0.687, 0.214])
    assert list(CHANNEL_RANGES) == ["red", "green", "blue"]
    assert channel_weights(torch.full((3,), 0.5)).tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_the_discriminators_loss_by_hand() -> None:
    real, generated = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1), torch.tensor([0.0, 2.0]).view(2, 1, 1, 1)
    assert float(lsgan_discriminator_halved(real, generated)) == ((0 + 4) / 2 + (0 + 4) / 2) / 2


def test_total_variation_by_hand() -> None:
    picture = torch.zeros(1, 3, 2, 2)
    picture[:, :, 0, 1] = 2.0  # rows (0, 2) and (0, 0): across 2, 0; down 0, -2
    assert float(total_variation(picture)) == pytest.approx(((4 + 0) / 2 + (0 + 4) / 2) / (3 * 2 * 2))


def test_the_distance_of_features_by_hand() -> None:
    one, other = torch.tensor([1.0, -2.0]).view(1, 2, 1, 1), torch.tensor([0.0, 2.0]).view(1, 2, 1, 1)
    assert float(feature_distance(one, other, area=10)) == pytest.approx((1 + 4) / 2 / 10)
