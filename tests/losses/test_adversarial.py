"""Both adversarial losses on logits whose results are worked out by hand."""

from math import exp, log

import pytest
import torch
from torch import Tensor

from cartoon_dist.losses.adversarial import (
    anime_discriminator,
    log_discriminator,
    log_generator,
    lsgan_discriminator,
    lsgan_generator,
)


def logits(*values: float) -> Tensor:
    """Two pictures' logits."""
    return torch.tensor(values, dtype=torch.float64).view(2, 1, 1, -1)


CARTOON, GENERATED, SMOOTHED = logits(1, 3), logits(0, 2), logits(-1, 0.5)


def test_equation_7() -> None:
    # ((0 - 1)^2 + (2 - 1)^2) / 2
    assert float(lsgan_generator(GENERATED)) == 1.0
    assert float(lsgan_generator(logits(1, 1))) == 0.0


def test_equation_8() -> None:
    # (0 + 4) / 2 + (0 + 4) / 2 + (1 + 0.25) / 2
    assert float(lsgan_discriminator(CARTOON, GENERATED, SMOOTHED)) == 2 + 2 + 0.625
    assert float(lsgan_discriminator(logits(1, 1), logits(0, 0), logits(0, 0))) == 0.0


def test_each_term_of_equation_8_weighs_one() -> None:
    nought, one = logits(0, 0), logits(1, 1)
    assert float(lsgan_discriminator(nought, nought, nought)) == 1.0
    assert float(lsgan_discriminator(one, one, nought)) == 1.0
    assert float(lsgan_discriminator(one, nought, one)) == 1.0


def test_animegans_discriminator() -> None:
    grey = logits(3, 1)
    # (0 + 4) / 2 + (0 + 4) / 2 + (9 + 1) / 2 + 0.1 * (1 + 0.25) / 2
    loss = anime_discriminator(CARTOON, GENERATED, grey, SMOOTHED, smoothed_weight=0.1)
    assert float(loss) == pytest.approx(2 + 2 + 5 + 0.0625)
    nought, one = logits(0, 0), logits(1, 1)
    each = [anime_discriminator(one, *kinds, smoothed_weight=0.1) for kinds in
            ((one, nought, nought), (nought, one, nought), (nought, nought, one))]  # fmt: skip
    assert [float(loss) for loss in each] == pytest.approx([1, 1, 0.1])


def probability(logit: float) -> float:
    """D as Eq 6 has it."""
    return 1 / (1 + exp(-logit))


def test_equation_6() -> None:
    real = (log(probability(1)) + log(probability(3))) / 2
    generated = (log(1 - probability(0)) + log(1 - probability(2))) / 2
    smoothed = (log(1 - probability(-1)) + log(1 - probability(0.5))) / 2
    assert float(log_discriminator(CARTOON, GENERATED, SMOOTHED)) == pytest.approx(-(real + smoothed + generated))


def test_equation_6_for_the_generator_does_not_saturate() -> None:
    assert float(log_generator(GENERATED)) == pytest.approx(-(log(probability(0)) + log(probability(2))) / 2)
    refused = logits(-50, -50).requires_grad_()
    log_generator(refused).backward()
    assert refused.grad is not None
    assert float(refused.grad.sum()) == pytest.approx(-1)  # log(1 - D) would give 1e-22 here


@pytest.mark.parametrize("loss", [lsgan_generator, log_generator])
def test_half_precision_logits_are_averaged_in_float32(loss: type) -> None:
    result = loss(torch.full((4, 1, 16, 16), 0.3, dtype=torch.bfloat16))
    assert result.dtype == torch.float32
    exact = torch.full((4, 1, 16, 16), 0.3, dtype=torch.bfloat16).double()
    assert float(result) == pytest.approx(float(loss(exact)), rel=1e-6)
    assert loss(exact).dtype == torch.float64
