"""S: counts by hand, and the same network written out slowly."""

from typing import get_args

import pytest
import torch

from cartoon_dist.models.blocks import num_parameters
from cartoon_dist.models.saliency_net import SaliencyNetwork, Wiring
from tests.models import slow_networks

WIRINGS = get_args(Wiring)


def count(wiring: Wiring, out_channels: int = 1, upsample: str = "transposed") -> int:
    """Parameters at the paper's width."""
    with torch.device("meta"):
        network = SaliencyNetwork(channels=64, out_channels=out_channels, wiring=wiring, upsample=upsample)
    return num_parameters(network)


def conv_count(in_channels: int, out_channels: int, kernel: int) -> int:
    """Weights and biases of a convolution."""
    return out_channels * (in_channels * kernel**2 + 1)


def test_sal_counts() -> None:
    assert count("sal") == 1_672_641
    assert count("sal", out_channels=3) == 1_678_915


def test_projection_count() -> None:
    # Each stage: its two convolutions, of which the first stage gains one, and a 1x1 convolution past them.
    gained = conv_count(64, 64, 3)
    past = conv_count(3, 64, 1) + conv_count(64, 128, 1) + conv_count(128, 256, 1)
    assert (gained, past) == (36_928, 256 + 8_320 + 33_024)
    assert count("projection") == 1_672_641 + gained + past == 1_751_169


def test_identity_count() -> None:
    blocks = sum(2 * conv_count(width, width, 3) for width in (64, 128, 256))
    assert blocks == 73_856 + 295_168 + 1_180_160
    assert count("identity") == 1_672_641 + blocks == 3_221_825


@pytest.mark.parametrize("wiring", WIRINGS)
def test_resize_learns_as_much(wiring: Wiring) -> None:
    assert count(wiring, upsample="resize") == count(wiring)


def test_work() -> None:
    with torch.device("meta"):
        one, three = (
            SaliencyNetwork(channels=64, out_channels=width, wiring="sal", upsample="transposed") for width in (1, 3)
        )
    # The paper's ancestor predicts three channels, 15.7; one channel saves two of the last 7x7's three kernels.
    assert slow_networks.giga_multiplications(three) == pytest.approx(15.7, abs=0.05)
    saved = 2 * 49 * 64 * 256**2 / 1e9
    assert slow_networks.giga_multiplications(one) == pytest.approx(15.72864 - saved, abs=1e-6)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_against_the_layer_list(wiring: Wiring) -> None:
    torch.manual_seed(0)
    network = SaliencyNetwork(channels=4, out_channels=1, wiring=wiring, upsample="transposed").double()
    for parameter in network.parameters():
        parameter.data.normal_(std=0.2)
    photo = torch.rand(2, 3, 16, 12, dtype=torch.float64) * 2 - 1
    saliency, seen = network(photo)
    slow, slow_seen = slow_networks.saliency(network.state_dict(), photo, wiring)
    torch.testing.assert_close(saliency, slow, rtol=1e-9, atol=1e-9)
    for stage, slow_stage in zip(seen, slow_seen, strict=True):
        torch.testing.assert_close(stage, slow_stage, rtol=1e-9, atol=1e-9)
    assert [tuple(stage.shape[1:]) for stage in seen] == [(4, 16, 12), (8, 8, 6), (16, 4, 3)]
    assert float(saliency.detach().abs().max()) <= 1


def test_sizes_that_do_not_fit_are_refused() -> None:
    network = SaliencyNetwork(channels=2, out_channels=1, wiring="sal", upsample="resize")
    assert network(torch.zeros(1, 3, 8, 8))[0].shape == (1, 1, 8, 8)
    with pytest.raises(ValueError, match="8 x 6 pixels do not fit"):
        network(torch.zeros(1, 3, 6, 8))
