"""CBAM against Eq 2 to 5 written out in numpy loops."""

import numpy as np
import torch

from cartoon_dist.models.blocks import num_parameters
from cartoon_dist.models.cbam import CBAM


def sigmoid(values: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-values))


def slow_cbam(maps: np.ndarray, cbam: CBAM) -> np.ndarray:
    """Eq 2 to 5 for one picture, channels x height x width."""
    held = {name: tensor.numpy() for name, tensor in cbam.state_dict().items()}
    squeeze, expand = held["mlp.squeeze.weight"][:, :, 0, 0], held["mlp.expand.weight"][:, :, 0, 0]

    def mlp(pooled: np.ndarray) -> np.ndarray:
        hidden = np.maximum(squeeze @ pooled + held["mlp.squeeze.bias"], 0)
        return expand @ hidden + held["mlp.expand.bias"]

    channel = sigmoid(mlp(maps.mean((1, 2))) + mlp(maps.max((1, 2))))  # Eq 4
    maps = maps * channel[:, None, None]  # Eq 2
    planes = np.pad(np.stack([maps.mean(0), maps.max(0)]), ((0, 0), (3, 3), (3, 3)))
    kernel, (height, width) = held["place.weight"][0], maps.shape[1:]
    place = np.array([[(planes[:, y : y + 7, x : x + 7] * kernel).sum() for x in range(width)] for y in range(height)])
    return maps * sigmoid(place)  # Eq 5 and 3


def test_equations_two_to_five() -> None:
    torch.manual_seed(1)
    cbam = CBAM(channels=32).double()
    for parameter in cbam.parameters():  # far from 0.02, so that every part shows in the result
        parameter.data.normal_(std=0.5)
    maps = torch.randn(2, 32, 6, 9, dtype=torch.float64)
    slow = np.stack([slow_cbam(picture, cbam) for picture in maps.numpy()])
    np.testing.assert_allclose(cbam(maps).detach().numpy(), slow, rtol=1e-10)


def test_zero_weights_pass_a_quarter() -> None:
    cbam, maps = CBAM(channels=16), torch.randn(1, 16, 3, 4)
    for parameter in cbam.parameters():
        parameter.data.zero_()
    torch.testing.assert_close(cbam(maps), maps / 4)  # sigmoid(0) twice


def test_counts() -> None:
    # c x c/16 and back, with biases, and 2 x 7 x 7: 678 + 2282 + 8562 for the three joints of the paper's width.
    by_hand = [2 * c * (c // 16) + c // 16 + c + 98 for c in (64, 128, 256)]
    assert [num_parameters(CBAM(channels=c)) for c in (64, 128, 256)] == by_hand
    assert sum(by_hand) == 11_522


def test_narrow_widths_keep_one_hidden_unit() -> None:
    assert CBAM(channels=4).mlp.squeeze.weight.shape == (1, 4, 1, 1)
    assert CBAM(channels=64, reduction=8).mlp.squeeze.weight.shape == (8, 64, 1, 1)
