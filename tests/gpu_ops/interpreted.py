"""Runs the kernels on a CPU by Triton's interpreter and compares them with torch's operations in float64.

A process of its own: `TRITON_INTERPRET=1` must be set before Triton is imported. Argument: float32 or bfloat16.
"""

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from cartoon_dist.gpu import norm_by_torch, norm_by_triton, padding_by_torch, padding_by_triton
from cartoon_dist.gpu.norm_by_torch import Around, NormInputs


class Case(NamedTuple):
    """n c y x, and what goes around the norm."""

    shape: tuple[int, int, int, int]
    activation: str = "relu"
    affine: bool = True
    residual: bool = False
    reflect: int = 0
    gradients: str = "result"
    """Which came in: of the result, of its inner part, or both."""
    mean: float = 1.0


CASES = (
    Case((2, 8, 7, 5)),
    Case((1, 64, 1, 31), affine=False),  # one pixel short of a block
    Case((1, 64, 3, 11), "leaky_relu"),  # one more than a block
    Case((5, 16, 9, 8), "none", reflect=1),
    Case((1, 96, 6, 7), reflect=1),  # the second block of channels is half empty
    Case((3, 12, 5, 9), "leaky_relu", affine=False, residual=True, reflect=3),
    Case((2, 32, 8, 8), "relu", residual=True, reflect=1, gradients="both"),
    Case((1, 512, 4, 4), "none", residual=True, reflect=1, gradients="both"),
    Case((2, 24, 6, 5), "none", residual=True, reflect=2, gradients="inner"),
    Case((1, 64, 20, 19), "none", residual=True),
    Case((1, 3, 61, 33), "relu", reflect=3),  # 3 x 1024 numbers of a picture and many parts
    Case((2, 1, 4, 2), "leaky_relu", reflect=1),  # in both mirrors at once
    Case((1, 64, 16, 33), "none", affine=False, mean=3000.0),
)
EDGES = (((2, 8, 7, 5), (3, 3, 3, 3)), ((1, 3, 6, 9), (0, 1, 0, 1)), ((1, 70, 40, 3), (2, 1, 1, 3)))


def main(dtype: torch.dtype) -> None:
    """All cases; AssertionError for the first that differs."""
    torch.manual_seed(0)
    for case in CASES:
        _compare_norm(case, dtype)
    for shape, edges in EDGES:
        _compare_padding(shape, edges, dtype)


def _compare_norm(case: Case, dtype: torch.dtype) -> None:
    maps, weight, bias, residual = _inputs(case, dtype)
    inputs, around = NormInputs(maps, weight, bias, 1e-5), Around(case.activation, 0.2, case.reflect)
    exact = NormInputs(*map(_exact, (maps, weight, bias)), 1e-5)
    result, statistics = _twice(lambda: norm_by_triton.forward(inputs, residual, around))
    expected, _ = norm_by_torch.forward(exact, _exact(residual), around)
    # A mean of 3000 is known to 2e-4 in float32, and so is all that is measured from it.
    _close(result, expected, dtype, rough=case.mean / 1e3, what=f"{case} forward")
    of_result = _maps(result.shape, dtype) if case.gradients != "inner" else None
    of_inner = _maps(maps.shape, dtype) if case.gradients != "result" else None
    kept = result if case.residual and case.activation != "none" else None
    gradients = _twice(
        lambda: norm_by_triton.backward(
            of_result, of_inner, inputs, kept, statistics, around, with_residual=case.residual
        )
    )
    wanted = norm_by_torch.backward(_exact(of_result), _exact(of_inner), exact, _exact(kept), around)
    for name, one, other in zip(("maps", "parameters", "residual"), gradients, wanted, strict=True):
        if one.numel():
            _close(one, other, dtype, rough=case.mean / 1e3, what=f"{case} gradient of {name}")
    assert bool(gradients[2].numel()) == case.residual
    assert statistics.dtype == gradients[1].dtype == torch.float32


def _compare_padding(shape: tuple[int, ...], edges: tuple[int, ...], dtype: torch.dtype) -> None:
    maps = _maps(shape, dtype)
    [padded] = _twice(lambda: (padding_by_triton.forward(maps, edges),))
    assert torch.equal(padded, torch.nn.functional.pad(maps, edges, mode="reflect"))
    assert padded.is_contiguous(memory_format=torch.channels_last)
    of_padded = _maps(padded.shape, dtype)
    [of_maps] = _twice(lambda: (padding_by_triton.backward(of_padded, edges),))
    _close(of_maps, padding_by_torch.backward(of_padded.double(), edges), dtype, rough=0, what=f"{shape} {edges}")


def _inputs(case: Case, dtype: torch.dtype) -> Iterator[Tensor | None]:
    pictures, channels, height, width = case.shape
    yield (_maps(case.shape, torch.float32) * 2 + case.mean).to(dtype)
    for _ in range(2):
        yield torch.randn(channels) if case.affine else None
    # The inner part of wider maps, as in a residual block.
    wider = _maps((pictures, channels, height + 2, width + 2), dtype)
    yield wider[..., 1:-1, 1:-1] if case.residual else None


def _maps(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last)


def _exact(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.double()


def _twice(run: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """The same bits each time."""
    first, second = run(), run()
    assert all(map(torch.equal, first, second))
    return first


def _close(found: Tensor, expected: Tensor, dtype: torch.dtype, *, rough: float, what: str) -> None:
    # The interpreter cuts bfloat16 off where a GPU rounds: by up to 2^-7 of the number, and twice where a gradient is
    # written before it is read again.
    limit = 2.0**-6 if found.dtype == torch.bfloat16 else 2e-5 if dtype == torch.float32 else 1e-4
    apart = float(((found - expected).abs() / (1 + expected.abs())).max())
    assert found.shape == expected.shape, what
    assert found.stride() == expected.stride(), what
    assert apart < limit + 1e-4 * rough, f"{what}: {apart}"


if __name__ == "__main__":
    main(getattr(torch, sys.argv[1]))
