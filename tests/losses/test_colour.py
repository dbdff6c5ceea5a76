"""Colours by hand, and grey beside OpenCV's."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cartoon_dist.losses.colour import colour_loss, rgb_to_yuv, to_grey
from cartoon_dist.tensors import from_bytes


def pixel(red: float, green: float, blue: float) -> Tensor:
    """One pixel, in [-1, 1]."""
    return torch.tensor([red, green, blue], dtype=torch.float64).view(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((1, -1, -1), (0.299, -0.14714119, 0.61497538)),
        ((-1, 1, -1), (0.587, -0.28886916, -0.51496512)),
        ((-1, -1, 1), (0.114, 0.43601035, -0.10001026)),
        ((1, 1, 1), (1.0, 0.0, 0.0)),
        ((-1, -1, -1), (0.0, 0.0, 0.0)),
    ],
)
def test_the_corners_of_the_cube(colour: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert [float(part) for part in rgb_to_yuv(pixel(*colour))] == pytest.approx(expected, abs=1e-7)


def test_the_colour_loss_by_hand() -> None:
    # Red against black: dY 0.299, dU 0.147 and dV 0.615, both within Huber's delta of 1: halves of squares.
    expected = 0.299 + 0.14714119**2 / 2 + 0.61497538**2 / 2
    assert float(colour_loss(pixel(1, -1, -1), pixel(-1, -1, -1))) == pytest.approx(expected, rel=1e-7)
    # Red against cyan: dV = 0.61497538 * 2 = 1.23, beyond it: |d| - 1/2.
    luma, blueness, redness = abs(0.299 - 0.701), 2 * 0.14714119, 2 * 0.61497538
    expected = luma + blueness**2 / 2 + (redness - 0.5)
    assert float(colour_loss(pixel(1, -1, -1), pixel(-1, 1, 1))) == pytest.approx(expected, rel=1e-6)


def test_it_is_a_mean_over_pixels_and_pictures() -> None:
    red, black = pixel(1, -1, -1), pixel(-1, -1, -1)
    together = torch.cat([red, black]).expand(-1, -1, 2, 3)
    one = float(colour_loss(red, black))
    assert float(colour_loss(together, black.expand(2, -1, 2, 3))) == pytest.approx(one / 2)
    assert float(colour_loss(together, together)) == 0


def test_half_precision_is_averaged_in_float32() -> None:
    ones = torch.ones(1, 3, 16, 16, dtype=torch.bfloat16)
    result = colour_loss(ones * 0.3, ones)
    assert result.dtype == torch.float32
    assert float(result) == pytest.approx((1 - float(ones[0, 0, 0, 0] * 0.3)) / 2, rel=1e-6)


def test_grey_is_opencvs_before_it_is_rounded() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    rounded = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    ours = to_grey(from_bytes(torch.from_numpy(pixels).permute(2, 0, 1)[None], torch.float64))
    levels = (ours + 1) * 127.5
    assert torch.equal(ours[:, 0], ours[:, 1])
    assert torch.equal(ours[:, 0], ours[:, 2])
    difference = (levels[0, 0] - torch.from_numpy(rounded)).abs().max()
    assert 0.4 < float(difference) < 0.51  # half a level, and a hundredth for OpenCV's weights, which are whole numbers


def test_grey_of_grey_is_itself() -> None:
    levels = torch.linspace(-1, 1, 64, dtype=torch.float64).view(1, 1, 8, 8).expand(-1, 3, -1, -1)
    torch.testing.assert_close(to_grey(levels), levels)
