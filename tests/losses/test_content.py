"""Content loss and its fading weight, by hand."""

import pytest
import torch

from cartoon_dist.losses.content import content_loss, content_weight


def test_equation_9() -> None:
    generated = torch.tensor([[[[1.0, -2.0]], [[0.5, 0.0]]]])
    photo = torch.tensor([[[[0.0, 2.0]], [[0.5, -1.0]]]])
    assert float(content_loss(generated, photo)) == (1 + 4 + 0 + 1) / 4


def test_half_precision_features_are_averaged_in_float32() -> None:
    generated = torch.full((1, 8, 16, 16), 1.0, dtype=torch.bfloat16)
    photo = torch.full((1, 8, 16, 16), 0.001, dtype=torch.bfloat16)
    assert float(content_loss(generated, photo)) == pytest.approx(1 - float(photo[0, 0, 0, 0]), rel=1e-6)


def weight(epoch: int, every: int) -> float:
    """Eq 12 with the paper's constants."""
    return content_weight(epoch=epoch, initial=0.25, decay=0.96, every=every)


def test_equation_12_in_steps_of_ten_epochs() -> None:
    assert weight(0, 10) == weight(9, 10) == 0.25
    assert weight(10, 10) == weight(19, 10) == pytest.approx(0.24)
    assert weight(20, 10) == pytest.approx(0.2304)
    assert weight(199, 10) == pytest.approx(0.115, abs=5e-4)


def test_equation_12_read_literally() -> None:
    assert weight(0, 1) == 0.25
    assert weight(1, 1) == pytest.approx(0.24)
    assert weight(2, 1) == pytest.approx(0.2304)
    assert weight(200, 1) == pytest.approx(7e-5, rel=0.02)


def test_equation_12_falls_by_the_factor_and_by_nothing_else() -> None:
    by_product = 0.25
    for epoch in range(200):
        assert weight(epoch, 10) == pytest.approx(by_product, rel=1e-12)
        by_product *= 0.96 if epoch % 10 == 9 else 1
