"""The kernels on a GPU: they are taken, agree with torch's operations in float64, and give the same bits each time."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.gpu import fused_cbam
from cartoon_dist.gpu.fused_operations import forced, is_taken
from cartoon_dist.gpu.fused_padding import reflection_pad
from cartoon_dist.models.blocks import ResidualBlock
from cartoon_dist.models.residual_chain import ResidualChain
from tests.gpu_ops.cbam_cases import computed
from tests.gpu_ops.fused_cases import Case, outputs_and_gradients
from tests.operation_counter import OperationCounter

pytestmark = pytest.mark.gpu

CASES = [
    (Case((4, 64, 33, 65), activation="relu", reflect=1), torch.bfloat16),
    (Case((2, 96, 19, 21), residual=True, reflect=1, with_padded=True), torch.bfloat16),
    (Case((2, 256, 17, 64), residual=True, activation="leaky_relu", affine=False), torch.float16),
    (Case((3, 12, 40, 31), activation="leaky_relu", reflect=3), torch.float32),
]
LIMITS = {torch.float32: 1e-5, torch.float16: 2e-2, torch.bfloat16: 3e-2}
"""Of the length of the difference, as a part of the length. A number that lies within rounding of 0 may come out on the
other side of an activation; a wrong border would be 0.1 and more."""


@pytest.fixture(autouse=True)
def _forced(rehearsal: bool) -> Iterator[None]:  # noqa: FBT001
    """In a rehearsal torch's operations stand behind the fused ones."""
    with forced() if rehearsal else nullcontext():
        yield


@pytest.mark.parametrize(("case", "dtype"), CASES, ids=str)
def test_norm_agrees_with_float64_on_the_cpu(case: Case, dtype: torch.dtype, device: torch.device) -> None:
    first, second = (outputs_and_gradients(case, dtype, device) for _ in range(2))
    assert all(map(torch.equal, first, second))
    # Numbers as the GPU saw them, rounded to its type, but computed in float64.
    exact = outputs_and_gradients(case, torch.float64, torch.device("cpu"), rounded_to=dtype)
    assert max(_apart(found, expected) for found, expected in zip(first, exact, strict=True)) < LIMITS[dtype]


@pytest.mark.parametrize("edges", [(3, 3, 3, 3), (0, 1, 0, 1)])
def test_padding_agrees_with_torch(edges: tuple[int, int, int, int], device: torch.device) -> None:
    maps = torch.randn(2, 8, 37, 41).to(device).contiguous(memory_format=torch.channels_last).requires_grad_()
    assert is_taken(maps)
    padded = reflection_pad(maps, edges)
    of_padded = torch.randn(padded.shape)
    [of_maps] = torch.autograd.grad(padded, maps, of_padded.to(device))
    plain = maps.detach().cpu().double().contiguous().requires_grad_()
    expected = functional.pad(plain, edges, mode="reflect")
    assert torch.equal(padded.detach().cpu().double(), expected.detach())
    [of_expected] = torch.autograd.grad(expected, plain, of_padded.double())
    assert _apart(of_maps, of_expected) < LIMITS[torch.float32]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((4, 64, 33, 65), torch.bfloat16),
        ((2, 96, 19, 21), torch.bfloat16),
        ((2, 512, 9, 17), torch.float16),
        ((3, 256, 64, 64), torch.float32),
        ((1, 12, 40, 31), torch.float32),
    ],
    ids=str,
)
def test_cbam_agrees_with_torch_in_float64_on_the_cpu(
    shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device
) -> None:
    maps = torch.empty(shape, dtype=dtype, device=device).contiguous(memory_format=torch.channels_last)
    assert fused_cbam.is_taken(maps)
    first, second = (computed(shape, dtype, device, fused=True) for _ in range(2))
    assert all(map(torch.equal, first, second))
    exact = computed(shape, torch.float64, torch.device("cpu"), fused=False)
    assert torch.equal(first.peak.cpu().double(), exact.peak)
    assert torch.equal(first.pooled[:, 1:].cpu().double(), exact.pooled[:, 1:])
    for found, expected in zip(first, exact, strict=True):
        assert _apart(found, expected) < LIMITS[dtype]


@pytest.mark.parametrize("checkpointed", [False, True])
def test_residual_blocks_agree_with_float64_and_pad_once(device: torch.device, *, checkpointed: bool) -> None:
    torch.manual_seed(2)
    blocks = ResidualChain(ResidualBlock(64, affine=True) for _ in range(3))
    exact, maps = copy.deepcopy(blocks).double(), torch.randn(2, 64, 21, 18)
    blocks = blocks.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    features = maps.to(device).contiguous(memory_format=torch.channels_last).requires_grad_()
    with OperationCounter() as counter:
        result = blocks(features, checkpointed=checkpointed)
    assert counter.num["cartoon_dist::reflection_pad"] == 1
    plain = maps.double().requires_grad_()
    expected = exact(plain)
    assert _apart(result, expected) < 1e-4
    of_result = torch.randn(result.shape)
    found = torch.autograd.grad(result, [features, *blocks.parameters()], of_result.to(device))
    wanted = torch.autograd.grad(expected, [plain, *exact.parameters()], of_result.double())
    for one, other in zip(found, wanted, strict=True):
        assert _apart(one, other) < 1e-3 or not other.any()


def _apart(found: Tensor, expected: Tensor) -> float:
    expected = expected.detach()
    return float((found.detach().cpu().double() - expected).norm() / expected.norm())
