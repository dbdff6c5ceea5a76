"""The operation on a CPU, with torch's operations behind it: values, gradients, layouts, and when it is taken."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.gpu.fused_norm import instance_norm, instance_norm_with_padded
from cartoon_dist.gpu.fused_operations import forced
from cartoon_dist.gpu.switch import disabled
from tests.gpu_ops.fused_cases import CASES, Case, outputs_and_gradients

CPU = torch.device("cpu")
OPERATION = torch.ops.cartoon_dist.instance_norm.default
PLAIN: dict[str, Any] = {"weight": None, "bias": None, "epsilon": 1e-5}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_operation_has_the_bits_of_the_plain_operations(case: Case, dtype: torch.dtype) -> None:
    plain = outputs_and_gradients(case, dtype, CPU)
    with forced():
        fused = outputs_and_gradients(case, dtype, CPU)
    assert len(fused) == len(plain)
    assert all(map(torch.equal, fused, plain))


# torch's own check of a compiled operation looks at a gradient that is not there.
@pytest.mark.filterwarnings("ignore:The .grad attribute")
@pytest.mark.parametrize("case", [Case(), Case(residual=True, activation="relu", reflect=1)], ids=str)
def test_operation_keeps_the_rules_of_torch_library(case: Case) -> None:
    maps, residual = (_last(torch.randn(case.shape)).requires_grad_() for _ in range(2))
    weight, bias = (torch.randn(8, requires_grad=True) for _ in range(2))
    inputs = (maps, weight, bias, residual if case.residual else None, 1e-5, case.activation, 0.0, case.reflect)
    torch.library.opcheck(OPERATION, inputs)


def test_result_and_gradients_lie_in_channels_last() -> None:
    with forced():
        for case in CASES:
            if not case.with_padded:
                result, of_maps, *_ = outputs_and_gradients(case, torch.float32, CPU)
                assert all(maps.is_contiguous(memory_format=torch.channels_last) for maps in (result, of_maps))


def test_inner_part_is_not_written_a_second_time() -> None:
    maps = _last(torch.randn(1, 8, 6, 6))
    with forced():
        inner, padded = instance_norm_with_padded(maps, **PLAIN, reflect=1)
    assert inner.untyped_storage().data_ptr() == padded.untyped_storage().data_ptr()
    assert torch.equal(inner, padded[..., 1:-1, 1:-1])


def test_only_maps_in_channels_last_take_the_operation_where_it_is_forced() -> None:
    maps = _last(torch.randn(2, 8, 6, 6))
    assert OPERATION not in _operations(maps)
    with forced():
        assert OPERATION in _operations(maps)
        assert OPERATION not in _operations(maps.contiguous())
        with disabled("fused_norm"):
            assert OPERATION not in _operations(maps)
    assert OPERATION not in _operations(maps)


def test_what_cannot_be_normed_or_mirrored_is_refused_as_by_torch() -> None:
    with forced():
        with pytest.raises(ValueError, match="more than 1 spatial element"):
            instance_norm(_last(torch.randn(1, 8, 1, 1)), **PLAIN)
        with pytest.raises(RuntimeError, match="adding size"):
            instance_norm(_last(torch.randn(1, 8, 3, 3)), **PLAIN, reflect=3)


def test_backward_keeps_the_maps_and_no_second_copy_of_them() -> None:
    """The result is kept only where a residual went into the activation, and nothing more of the maps' size."""
    maps, residual = (_last(torch.randn(2, 8, 6, 6)).requires_grad_() for _ in range(2))
    kept: list[Tensor] = []
    with (
        forced(),
        torch.autograd.graph.saved_tensors_hooks(lambda tensor: (kept.append(tensor), tensor)[1], lambda t: t),
    ):
        instance_norm(maps, **PLAIN, activation="relu", reflect=1)
        assert [tensor.numel() for tensor in kept if tensor.numel() >= maps.numel()] == [maps.numel()]
        kept.clear()
        instance_norm(maps, **PLAIN, activation="none", residual=residual)
        assert [tensor.numel() for tensor in kept if tensor.numel() >= maps.numel()] == [maps.numel()]
        kept.clear()
        instance_norm(maps, **PLAIN, activation="relu", residual=residual)
        assert [tensor.numel() for tensor in kept if tensor.numel() >= maps.numel()] == [maps.numel()] * 2


def test_step_with_the_operation_is_recorded_and_replayed() -> None:
    weight = nn.Parameter(torch.randn(8))
    maps = _last(torch.randn(2, 8, 6, 6))

    def step() -> list[Tensor]:
        with forced():
            inner, padded = instance_norm_with_padded(
                maps, weight=weight, bias=weight, epsilon=1e-5, activation="relu", reflect=1
            )
        return list(torch.autograd.grad(inner.sum() + padded.square().sum(), [weight]))

    expected = step()
    graph = make_fx(step)()
    assert all(map(torch.equal, graph(), expected))
    called = {node.target for node in graph.graph.nodes}
    assert {OPERATION, torch.ops.cartoon_dist.instance_norm_backward.default} <= called


def test_autocast_changes_neither_type_nor_bits() -> None:
    maps = _last(torch.randn(2, 8, 6, 6).bfloat16())
    settings: dict[str, Any] = PLAIN | {"weight": torch.randn(8), "bias": torch.randn(8), "reflect": 1}
    with forced():
        expected = instance_norm(maps, **settings)
        with torch.autocast("cpu", torch.bfloat16):
            result = instance_norm(maps, **settings)
    assert result.dtype == torch.bfloat16
    assert torch.equal(result, expected)


def _last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def _operations(maps: Tensor) -> set[Any]:
    """Those that the norm of these maps runs."""
    ran: set[Any] = set()

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            ran.add(func)
            return func(*args, **(kwargs or {}))

    with Mode():
        instance_norm(maps, **PLAIN)
    return ran
