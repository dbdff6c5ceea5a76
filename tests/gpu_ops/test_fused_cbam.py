"""CBAM's operations on a CPU, with torch's operations behind them: values, gradients, and when they are taken."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.gpu import fused_cbam, layout
from cartoon_dist.gpu.fused_operations import forced
from cartoon_dist.gpu.switch import disabled
from cartoon_dist.models.cbam import CBAM
from tests.gpu_ops.cbam_cases import computed

CPU = torch.device("cpu")
SHAPES = ((2, 8, 7, 5), (1, 64, 1, 31), (5, 3, 4, 9), (1, 512, 2, 2), (3, 16, 1, 1))
OPERATIONS = torch.ops.cartoon_dist


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_operations_compute_what_torch_does(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    found, plain = (computed(shape, dtype, CPU, fused=fused) for fused in (True, False))
    exact = computed(shape, torch.float64, CPU, fused=False)
    assert all(map(torch.equal, found[:4], plain[:4]))
    limit = {torch.float32: 1e-6, torch.bfloat16: 2e-2, torch.float64: 1e-14}[dtype]
    for one, other in zip(found[4:], exact[4:], strict=True):
        torch.testing.assert_close(one.double(), other, rtol=limit, atol=limit * float(other.abs().max()))
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in (found.result, found.of_maps))


def test_a_largest_value_of_several_divides_its_gradient_evenly() -> None:
    maps = _last(torch.tensor([[[[0.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]])).requires_grad_()
    attention = fused_cbam.Attention(maps)
    _, peak = attention.over_places()
    pooled = attention.over_channels(torch.ones(1, 2, 1, 1))
    result = attention.product(torch.ones(1, 2, 1, 1), torch.zeros(1, 1, 2, 2))
    plain = [maps.amax((2, 3), keepdim=True), maps.amax(1, keepdim=True)]
    gradients = [torch.full((1, 2, 1, 1), 8.0), torch.ones(1, 1, 2, 2)]
    [expected] = torch.autograd.grad(plain, maps, gradients)
    [of_maps] = torch.autograd.grad([peak, pooled[:, 1:], result], maps, [*gradients, torch.ones(1, 2, 2, 2)])
    assert of_maps.tolist() == expected.tolist() == [[[[0.5, 5.0], [5.0, 1.0]], [[2.5, 2.0], [2.0, 2.0]]]]


@pytest.mark.parametrize("trained", ["maps", "networks", "both"])
def test_module_has_the_numbers_of_the_plain_operations(trained: str) -> None:
    """Also where only F, or only the networks between the operations, want a gradient."""
    found = [_of_module(trained, of_gpu=of_gpu) for of_gpu in (False, True)]
    assert len(found[0]) == {"maps": 2, "networks": 6, "both": 7}[trained]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_gradient_is_whole_where_the_poolings_over_places_are_cut_off() -> None:
    """As a film does, which eases them: then no gradient comes by them, which the operations before wait for."""
    cbam, maps = _module(), _last(torch.randn(2, 8, 6, 5, dtype=torch.float64)).requires_grad_()
    cbam.eased = lambda average, peak: (average.detach(), peak.detach())  # type: ignore[method-assign]
    expected = torch.autograd.grad(cbam(maps).square().sum(), maps)[0]
    with layout.forced():
        found = torch.autograd.grad(cbam(maps).square().sum(), maps)[0]
    torch.testing.assert_close(found, expected)


def test_graph_may_be_walked_twice_and_in_parts() -> None:
    cbam, maps = _module(), _last(torch.randn(2, 8, 6, 5, dtype=torch.float64)).requires_grad_()
    with layout.forced():
        loss = cbam(maps).square().sum()
        torch.autograd.grad(loss, list(cbam.parameters()), retain_graph=True)  # stops before F
        first, second = (torch.autograd.grad(loss, maps, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_backward_keeps_the_maps_alone() -> None:
    cbam, maps = _module(64), _last(torch.randn(2, 64, 6, 5, dtype=torch.float64)).requires_grad_()
    kept: dict[int, Tensor] = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.setdefault(t.data_ptr(), t), t)[1], lambda t: t):
        with layout.forced():
            cbam(maps)
        assert [t.data_ptr() for t in kept.values() if t.numel() >= maps.numel()] == [maps.data_ptr()]
        kept.clear()
        cbam(maps)
    assert len([t for t in kept.values() if t.numel() >= maps.numel()]) == 2  # F' too


def test_each_operation_keeps_the_rules_of_torch_library() -> None:
    maps, of_result = (_last(torch.randn(2, 8, 4, 5)) for _ in range(2))
    of_channels, of_places = torch.rand(2, 8, 1, 1), torch.rand(2, 1, 4, 5)
    pooled, of_pooled = (_last(torch.randn(2, 2, 4, 5)) for _ in range(2))
    counts = torch.ones(2, 8, 1, 1)
    for operation, inputs in (
        (OPERATIONS.cbam_places, (maps,)),
        (OPERATIONS.cbam_channels, (maps, of_channels)),
        (OPERATIONS.cbam_product, (maps, of_channels, of_places)),
        (OPERATIONS.cbam_product_sums, (of_result, maps, of_channels, of_places)),
        (OPERATIONS.cbam_channels_sums, (of_pooled, maps, of_channels, pooled)),
        (OPERATIONS.cbam_maps_gradient, (maps, of_result, of_channels, of_places, of_pooled, pooled, *[counts] * 4)),
        (OPERATIONS.cbam_maps_gradient, (maps, of_result, of_channels, of_places, *[None] * 6)),
    ):
        torch.library.opcheck(operation.default, inputs)


def test_only_maps_in_channels_last_take_them_where_they_are_forced() -> None:
    maps = _last(torch.randn(1, 8, 4, 4))
    assert not fused_cbam.is_taken(maps)
    with forced():
        assert fused_cbam.is_taken(maps)
        assert not fused_cbam.is_taken(maps.contiguous())
        assert not fused_cbam.is_taken(_last(torch.randn(1, 2049, 2, 2)))  # no program holds so many
        with disabled("fused_norm"):
            assert fused_cbam.is_taken(maps)
        with disabled("fused_cbam"):
            assert not fused_cbam.is_taken(maps)


def test_step_with_the_operations_is_recorded_and_replayed() -> None:
    cbam, maps = _module(), _last(torch.randn(2, 8, 6, 5, dtype=torch.float64))

    def step() -> list[Tensor]:
        with layout.forced():
            features = maps.clone(memory_format=torch.preserve_format).requires_grad_()
            return list(torch.autograd.grad(cbam(features).square().sum(), [features, *cbam.parameters()]))

    expected = step()
    graph = make_fx(step)()
    assert all(map(torch.equal, graph(), expected))
    called = {node.target for node in graph.graph.nodes}
    assert {OPERATIONS.cbam_places.default, OPERATIONS.cbam_maps_gradient.default} <= called


def test_f_is_moved_less_often() -> None:
    """What docs/performance.md says, in units of F, of float32."""
    assert [_times_moved(of_gpu=True, backward=backward) for backward in (False, True)] == [4, 6]
    assert [round(_times_moved(of_gpu=False, backward=backward), 1) for backward in (False, True)] == [8, 27.5]


def _of_module(trained: str, *, of_gpu: bool) -> list[Tensor]:
    """The result, and the gradients of what is trained."""
    cbam = _module().requires_grad_(trained != "maps")
    maps = _last(torch.randn(2, 8, 6, 5, dtype=torch.float64).relu()).requires_grad_(trained != "networks")
    with layout.forced() if of_gpu else nullcontext():
        result = cbam(maps)
        leaves = [leaf for leaf in (maps, *cbam.parameters()) if leaf.requires_grad]
        return [result.detach(), *torch.autograd.grad(result.square().sum(), leaves)]


def _module(channels: int = 8) -> CBAM:
    torch.manual_seed(3)
    cbam = CBAM(channels=channels).double()
    for parameter in cbam.parameters():  # far from 0.02, so that every part shows in the result
        parameter.data.normal_(std=0.5)
    return cbam


def _last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def _times_moved(*, of_gpu: bool, backward: bool) -> float:
    """How often tensors of the size of F are read or written by operations that are no views, in units of F."""
    cbam, maps = _module(64).float(), _last(torch.randn(1, 64, 32, 32)).requires_grad_()
    moved = 0.0

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal moved
            result = func(*args, **(kwargs or {}))
            if not func.is_view and "empty" not in func.name() and func.name() != "aten::detach":
                results = result if isinstance(result, (tuple, list)) else [result]
                tensors = [one for one in (*args, *results) if isinstance(one, Tensor) and one.numel() >= maps.numel()]
                # A number that stands for many is one read.
                moved += sum(one.nbytes / maps.nbytes for one in tensors if 0 not in one.stride())
            return result

    with layout.forced() if of_gpu else nullcontext():
        with nullcontext() if backward else Mode():
            result = cbam(maps)
        gradient = torch.ones_like(result)
        if backward:
            with Mode():
                result.backward(gradient)
    return moved
