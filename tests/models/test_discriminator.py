"""D: counts, what one logit sees, and the same network written out slowly."""

import pytest
import torch
from torch import nn

from cartoon_dist.models.blocks import num_parameters
from cartoon_dist.models.discriminator import Discriminator
from tests.models import slow_networks


def test_count_work_and_shape_of_the_paper() -> None:
    with torch.device("meta"):
        network = Discriminator(channels=64)
        logits = network(torch.empty(1, 3, 256, 256))
    assert num_parameters(network) == 1_128_385
    assert slow_networks.giga_multiplications(network) == pytest.approx(5.8, abs=0.05)
    assert logits.shape == (1, 1, 64, 64)


def test_against_the_layer_list() -> None:
    torch.manual_seed(0)
    network = Discriminator(channels=8).double()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.3)
    pictures = torch.rand(2, 3, 16, 24, dtype=torch.float64) * 2 - 1
    logits = network(pictures).detach()
    torch.testing.assert_close(
        logits, slow_networks.discriminator(network.state_dict(), pictures), rtol=1e-9, atol=1e-9
    )
    # Logits, not probabilities: they lie on both sides of 0 and of 1.
    assert float(logits.min()) < 0
    assert float(logits.max()) > 1


def test_a_logit_judges_37_pixels() -> None:
    torch.manual_seed(0)
    network = Discriminator(channels=4).double()
    # IN's means reach over the whole picture, thinly; what is asked here is what the convolutions see.
    for layer in network.layers:
        if hasattr(layer, "norm"):
            layer.norm = nn.Identity()
    picture = torch.rand(1, 3, 96, 96, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(picture)[0, 0, 12, 12], picture)
    seen = gradient[0].abs().sum(0) > 0
    rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
    assert [int(rows[0]), int(rows[-1])] == [int(columns[0]), int(columns[-1])] == [48 - 18, 48 + 18]
    assert len(rows) == len(columns) == 37


def test_instance_norm_is_not_affine() -> None:
    names = [name for name, _ in Discriminator(channels=4).named_parameters()]
    assert not any("norm" in name for name in names)
    assert len(names) == 2 * 7


def test_three_kinds_are_judged_alike_together_and_alone() -> None:
    network = Discriminator(channels=4).double()
    kinds = torch.rand(3, 2, 3, 16, 16, dtype=torch.float64)
    together = network(kinds.flatten(0, 1)).unflatten(0, (3, 2))
    for kind, logits in zip(kinds, together, strict=True):
        torch.testing.assert_close(network(kind), logits, rtol=1e-10, atol=1e-12)
