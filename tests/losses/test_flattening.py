"""The flattened photo: against the sums written out, and what it does to patches, noise and edges."""

import math

import pytest
import torch
from torch import Tensor

from cartoon_dist.losses.flattening import (
    LINE_SIGMAS,
    LINE_THRESHOLD,
    NUM_SECTORS,
    SHARPNESS,
    SMALLEST_VARIANCE,
    Flattening,
    kuwahara,
    sector_weights,
)


def photo(height: int = 6, width: int = 5) -> Tensor:
    """Noise in [-1, 1], float64."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1


def mirrored(index: int, length: int) -> int:
    """The pixel that a place beyond the border stands for."""
    return abs(index) if index < length else 2 * (length - 1) - index


def slow_weight(sector: int, down: int, right: int, radius: int) -> float:
    """The weight of a place in a sector, before the sum is made 1."""
    squared = down**2 + right**2
    if squared > radius**2 + 0.5:
        return 0.0
    fall = math.exp(-squared / (2 * (radius / 2) ** 2))
    if not squared:
        return 0.5 * fall
    apart = abs(math.atan2(down, right) - 2 * math.pi * sector / NUM_SECTORS) % (2 * math.pi)
    apart = min(apart, 2 * math.pi - apart)
    return max(0.0, 1 - apart / (2 * math.pi / NUM_SECTORS)) * fall


def slow_kuwahara(picture: Tensor, radius: int) -> Tensor:
    """Pixel by pixel, sector by sector, place by place."""
    _, channels, height, width = picture.shape
    made = torch.zeros_like(picture)
    places = [(y, x) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1)]
    for row in range(height):
        for column in range(width):
            weighted, total = torch.zeros(channels, dtype=picture.dtype), 0.0
            values = [picture[0, :, mirrored(row + y, height), mirrored(column + x, width)] for y, x in places]
            for sector in range(NUM_SECTORS):
                weights = [slow_weight(sector, y, x, radius) for y, x in places]
                weights = [weight / sum(weights) for weight in weights]
                mean = sum((w * v for w, v in zip(weights, values, strict=True)), torch.zeros(channels))
                variance = sum((w * ((v - mean) ** 2).sum().item() for w, v in zip(weights, values, strict=True)), 0.0)
                calmness = (variance + SMALLEST_VARIANCE) ** (-SHARPNESS / 2)
                weighted, total = weighted + calmness * mean, total + calmness
            made[0, :, row, column] = weighted / total
    return made


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_against_the_sums_written_out(radius: int) -> None:
    flat = Flattening(radius=radius, passes=1, ink=0.0)(photo())
    assert flat.dtype == torch.float64
    torch.testing.assert_close(flat, slow_kuwahara(photo(), radius), rtol=0, atol=1e-6)


def test_two_passes_are_one_pass_of_one_pass() -> None:
    once, twice = (Flattening(radius=2, passes=passes, ink=0.0) for passes in (1, 2))
    torch.testing.assert_close(twice(photo()), once(once(photo())), rtol=0, atol=0)


def test_each_sector_is_the_first_one_turned() -> None:
    weights = sector_weights(4)[:, 0]
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(NUM_SECTORS))
    for turned in range(1, 4):  # by a quarter of the circle each, from right to below
        torch.testing.assert_close(weights[2 * turned], torch.rot90(weights[0], -turned), rtol=0, atol=1e-6)


def test_noise_goes_and_an_edge_stays_where_it_is() -> None:
    generator = torch.Generator().manual_seed(2)
    clean = torch.full((1, 3, 32, 32), -0.5)
    clean[..., 16:] = 0.5
    noisy = clean + 0.1 * torch.randn(clean.shape, generator=generator)
    flat = Flattening(radius=4, passes=2, ink=0.0)(noisy)
    left, right = flat[..., 4:16], flat[..., 16:28]
    assert max(left.std().item(), right.std().item()) < 0.1 * 0.5  # the noise's deviation is 0.1
    assert left[..., -1].max() < -0.3  # and the columns at the edge are as far apart as before
    assert right[..., 0].min() > 0.3


def test_an_outline_lies_on_the_dark_side_and_is_as_dark_as_the_difference_of_gaussians() -> None:
    step = torch.full((1, 3, 24, 24), -0.25, dtype=torch.float64)
    step[..., 12:] = 0.25
    drawn = Flattening(radius=2, passes=0, ink=3.0)(step)
    # Of a vertical edge of height 0.5, column x of the dark side: 0.5 * (share of each Gaussian beyond the edge).
    reach = round(3 * max(LINE_SIGMAS))

    def light(sigma: float, column: int) -> float:
        weights = {x: math.exp(-(x**2) / (2 * sigma**2)) for x in range(-reach, reach + 1)}
        return 0.5 * sum(weight for x, weight in weights.items() if column + x >= 12) / sum(weights.values())

    for column in range(8, 12):
        darker = light(LINE_SIGMAS[1], column) - light(LINE_SIGMAS[0], column)
        expected = -0.25 - 3.0 * max(0.0, darker - LINE_THRESHOLD)
        assert drawn[0, :, 12, column].tolist() == pytest.approx([expected] * 3, abs=1e-6)
    assert drawn[..., 10].max() < -0.27
    torch.testing.assert_close(drawn[..., 12:], step[..., 12:], rtol=0, atol=0)


@pytest.mark.parametrize("ink", [0.0, 8.0])
def test_a_picture_of_one_colour_stays(ink: float) -> None:
    plain = torch.tensor([0.3, -0.7, 0.9]).view(1, 3, 1, 1).expand(2, 3, 16, 20)
    torch.testing.assert_close(Flattening(radius=7, passes=2, ink=ink)(plain), plain.contiguous())


def test_it_stays_exact_under_autocast_and_keeps_no_gradient() -> None:
    given = photo(16, 16).float().requires_grad_()
    flatten = Flattening(radius=2, passes=1, ink=8.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        flat = flatten(given)
    assert flat.dtype == torch.float32
    assert not flat.requires_grad
    assert torch.equal(flat, flatten(given))
    assert flat.abs().max() <= 1


def test_tf32_is_off_while_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = []

    def seen(pictures: Tensor, sectors: Tensor) -> Tensor:
        allowed.append(torch.backends.cudnn.allow_tf32)
        return kuwahara(pictures, sectors)

    monkeypatch.setattr("cartoon_dist.losses.flattening.kuwahara", seen)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    Flattening(radius=2, passes=2, ink=0.0)(photo())
    assert allowed == [False, False]
    assert torch.backends.cudnn.allow_tf32
