"""The saliency loss, by hand."""

import pytest
import torch

from cartoon_dist.losses.saliency import saliency_loss


def test_equation_10() -> None:
    predicted = torch.tensor([[[[1.0, -1.0]]], [[[0.5, 0.0]]]])
    label = torch.tensor([[[[1.0, 1.0]]], [[[-0.5, 0.25]]]])
    assert float(saliency_loss(predicted, label)) == (0 + 2 + 1 + 0.25) / 4


def test_gradient_is_the_sign_over_the_count() -> None:
    predicted = torch.tensor([[[[0.5, -0.5]]]], requires_grad=True)
    saliency_loss(predicted, torch.zeros(1, 1, 1, 2)).backward()
    assert predicted.grad is not None
    assert predicted.grad.flatten().tolist() == [0.5, -0.5]


def test_half_precision_is_averaged_in_float32() -> None:
    predicted = torch.full((1, 1, 64, 64), 0.1, dtype=torch.bfloat16)
    result = saliency_loss(predicted, torch.full((1, 1, 64, 64), -1.0))
    assert result.dtype == torch.float32
    assert float(result) == pytest.approx(1 + float(predicted[0, 0, 0, 0]), rel=1e-6)
