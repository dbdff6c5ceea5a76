"""Gram matrices by hand, and written out slowly."""

import pytest
import torch

from cartoon_dist.losses.style import gram_matrix, style_loss


def test_a_gram_matrix_by_hand() -> None:
    # Two maps of 1x3 pixels: (1, 2, 0) and (0, 1, -1). Products 5, 2, 2; over c y x = 2 * 1 * 3.
    features = torch.tensor([[[[1.0, 2.0, 0.0]], [[0.0, 1.0, -1.0]]]])
    assert torch.allclose(gram_matrix(features), torch.tensor([[[5.0, 2.0], [2.0, 2.0]]]) / 6)


def test_each_pictures_own_by_sums_over_its_pixels() -> None:
    features = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slow = torch.zeros(3, 4, 4, dtype=torch.float64)
    for n in range(3):
        for y in range(5):
            for x in range(6):
                pixel = features[n, :, y, x]
                slow[n] += torch.outer(pixel, pixel) / (4 * 5 * 6)
    torch.testing.assert_close(gram_matrix(features), slow)


def test_the_style_loss_by_hand() -> None:
    one, other = torch.tensor([[[[1.0]], [[2.0]]]]), torch.tensor([[[[0.0]], [[1.0]]]])
    # ((1, 2), (2, 4)) / 2 against ((0, 0), (0, 1)) / 2
    assert float(style_loss(one, other)) == pytest.approx((1 + 2 + 2 + 3) / 2 / 4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32_under_autocast_too(dtype: torch.dtype) -> None:
    features = torch.full((1, 2, 32, 32), 20.0, dtype=dtype)  # float16 ends at 65,504, and the sum is 409,600
    with torch.autocast("cpu", torch.bfloat16):
        made = gram_matrix(features)
    assert made.dtype == torch.float32
    assert torch.equal(made, torch.full((1, 2, 2), 200.0))
    odd = torch.full((1, 1, 1, 1), 1.0 + 2**-10)
    with torch.autocast("cpu", torch.bfloat16):
        assert float(gram_matrix(odd)) == pytest.approx((1 + 2**-10) ** 2, rel=1e-7)
