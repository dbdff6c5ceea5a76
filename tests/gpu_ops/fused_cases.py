"""What the tests of the fused norm run through, on a CPU here and on a GPU in tests/gpu: inputs, and what comes out."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from cartoon_dist.gpu.fused_norm import instance_norm, instance_norm_with_padded


class Case(NamedTuple):
    """n c y x, and what goes around the norm."""

    shape: tuple[int, int, int, int] = (2, 8, 7, 5)
    activation: Any = "none"
    affine: bool = True
    residual: bool = False
    reflect: int = 0
    with_padded: bool = False


CASES = (
    Case(),
    Case(affine=False, activation="relu"),
    Case(activation="relu", reflect=1),
    Case(activation="leaky_relu", reflect=3),
    Case(residual=True),
    Case(residual=True, activation="relu"),
    Case(residual=True, activation="leaky_relu", reflect=2),
    Case(residual=True, reflect=1, with_padded=True),
    Case(activation="relu", reflect=1, with_padded=True),
)


def outputs_and_gradients(
    case: Case, dtype: torch.dtype, device: torch.device, *, rounded_to: torch.dtype | None = None
) -> list[Tensor]:
    """The outputs of one call and the gradients of all of its inputs, for the same random numbers each time.

    rounded_to: the numbers that maps begin with are first rounded to this type, as a coarser one has them.
    """
    torch.manual_seed(1)
    coarse = rounded_to or dtype
    pictures, channels, height, width = case.shape
    maps = _leaf(case.shape, dtype, device, coarse)
    # The residual is the inner part of wider maps, as in a residual block.
    wider = _leaf((pictures, channels, height + 2, width + 2), dtype, device, coarse)
    exact = torch.promote_types(dtype, torch.float32)
    weight, bias = (_leaf((channels,), exact, device, torch.float32) for _ in range(2)) if case.affine else (None, None)
    settings: dict[str, Any] = {
        "weight": weight,
        "bias": bias,
        "epsilon": 1e-5,
        "activation": case.activation,
        "slope": 0.2,
        "residual": wider[..., 1:-1, 1:-1] if case.residual else None,
        "reflect": case.reflect,
    }
    if case.with_padded:
        outputs = [*instance_norm_with_padded(maps, **settings)]
    else:
        outputs = [instance_norm(maps, **settings)]
    torch.autograd.backward(outputs, [_random(output.shape, dtype, device, coarse) for output in outputs])
    leaves = [maps, *(leaf for leaf in (weight, bias) if leaf is not None), *([wider] if case.residual else [])]
    return [*(output.detach() for output in outputs), *(_gradient(leaf) for leaf in leaves)]


def _leaf(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, coarse: torch.dtype) -> Tensor:
    return _random(shape, dtype, device, coarse).requires_grad_()


def _random(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, coarse: torch.dtype) -> Tensor:
    numbers = torch.randn(shape, dtype=torch.float64).to(coarse).to(device, dtype)
    return numbers.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else numbers


def _gradient(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad
