"""Bytes and numbers."""

import pytest
import torch

from cartoon_dist.tensors import from_bytes, to_bytes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_byte_comes_back(dtype: torch.dtype) -> None:
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(to_bytes(from_bytes(every, dtype)), every)


def test_the_ends_and_the_middle() -> None:
    ends = from_bytes(torch.tensor([0, 255, 51], dtype=torch.uint8).reshape(1, 1, 1, 3))
    assert ends.flatten().tolist() == pytest.approx([-1.0, 1.0, -0.6])


def test_what_lies_outside_is_clipped_and_the_rest_rounded() -> None:
    drawn = torch.tensor([-3.0, 9.0, 0.0, -1 + 0.6 / 127.5]).reshape(1, 1, 1, 4)
    assert to_bytes(drawn).flatten().tolist() == [0, 255, 128, 1]
