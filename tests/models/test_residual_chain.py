"""Residual blocks one after the other: on a GPU no padding runs between them, and the numbers are the same."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cartoon_dist.cpu import switch as own_convolutions
from cartoon_dist.gpu import layout, switch
from cartoon_dist.models.blocks import ResidualBlock
from cartoon_dist.models.residual_chain import ResidualChain
from tests.operation_counter import OperationCounter

NUM_BLOCKS = 3


def paddings(counter: OperationCounter) -> int:
    """Forward, torch's and ours."""
    return counter.num["cartoon_dist::reflection_pad"] + counter.num["aten::reflection_pad2d"]


def chain(num_blocks: int = NUM_BLOCKS) -> ResidualChain:
    """Always the same, its norms' weights and biases far from those it begins with."""
    torch.manual_seed(5)
    blocks = ResidualChain(ResidualBlock(8, affine=True) for _ in range(num_blocks)).double()
    for parameter in blocks.parameters():
        parameter.data.normal_(std=0.3)
    return blocks


def maps() -> Tensor:
    torch.manual_seed(6)
    return torch.randn(2, 8, 6, 5, dtype=torch.float64).contiguous(memory_format=torch.channels_last).requires_grad_()


def gradients(blocks: nn.Module, features: Tensor, **how: Any) -> list[Tensor]:
    """The result, and the gradients of the maps and all parameters."""
    result = blocks(features, **how)
    return [result.detach(), *torch.autograd.grad(result.square().sum(), [features, *blocks.parameters()])]


@pytest.mark.parametrize("checkpointed", [False, True])
def test_on_a_cpu_it_is_the_blocks_to_the_bit(*, checkpointed: bool) -> None:
    blocks = chain()
    expected = gradients(nn.Sequential(*blocks), maps())
    assert all(map(torch.equal, gradients(blocks, maps(), checkpointed=checkpointed), expected))


@pytest.mark.parametrize("checkpointed", [False, True])
def test_on_a_gpu_only_the_first_convolution_pads(*, checkpointed: bool) -> None:
    """Paddings inside a block were the norm's before; now those between two blocks are too."""
    blocks, expected = chain(), gradients(chain(), maps())
    with layout.forced(), own_convolutions.disabled(), OperationCounter() as operations:
        found = gradients(blocks, maps(), checkpointed=checkpointed)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    runs = 2 if checkpointed else 1  # the backward runs each block once more
    assert operations.num["cartoon_dist::instance_norm"] == 2 * NUM_BLOCKS * runs
    assert paddings(operations) == runs
    assert operations.num["cartoon_dist::reflection_pad_backward"] == 1
    with layout.forced(), own_convolutions.disabled(), switch.disabled("fused_norm"), OperationCounter() as operations:
        gradients(blocks, maps(), checkpointed=checkpointed)
    assert paddings(operations) == 2 * NUM_BLOCKS * runs


def test_drawing_pads_once_too() -> None:
    with torch.no_grad():
        expected = chain()(maps())
        with layout.forced(), own_convolutions.disabled(), OperationCounter() as operations:
            found = chain()(maps())
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    assert paddings(operations) == 1


@pytest.mark.parametrize("is_of_gpu", [False, True])
def test_a_checkpointed_block_keeps_its_input_alone(*, is_of_gpu: bool) -> None:
    """Its maps are the inner part of the padded ones: one piece of memory."""
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.numel() >= 200 and not isinstance(tensor, nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with layout.forced() if is_of_gpu else nullcontext(), own_convolutions.disabled():
        blocks, features = chain(), maps()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            blocks(features, checkpointed=True)
            num_checkpointed = len(kept)
            kept.clear()
            blocks(features)
    assert num_checkpointed == NUM_BLOCKS
    assert len(kept) > 3 * NUM_BLOCKS


@pytest.mark.parametrize("is_of_gpu", [False, True])
@pytest.mark.parametrize("num_blocks", [0, 1])
def test_few_blocks(num_blocks: int, *, is_of_gpu: bool) -> None:
    blocks = chain(num_blocks)
    with layout.forced() if is_of_gpu else nullcontext():
        found = blocks(maps())
    torch.testing.assert_close(found, nn.Sequential(*blocks)(maps()))
