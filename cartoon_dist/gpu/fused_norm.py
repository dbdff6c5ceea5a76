"""Instance norm with all that the networks do around it, as one operation: activation, residual sum, reflection.

On a GPU it is `cartoon_dist::instance_norm`, for maps in channels_last: a pass that gathers the statistics and one that
writes the result, and two likewise in the backward (gpu/norm_kernels.py). Only the maps and the statistics are kept for
the backward, and the result where a residual goes into the activation; the next convolution keeps it anyway. Elsewhere
torch's operations run one by one.
"""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.gpu import norm_by_torch
from cartoon_dist.gpu.fused_operations import empty_maps, is_taken
from cartoon_dist.gpu.fused_padding import reflection_pad
from cartoon_dist.gpu.leaky_relu import leaky_relu
from cartoon_dist.gpu.norm_by_torch import Around, NormInputs

Activation = Literal["none", "relu", "leaky_relu"]
_Gradients = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None, None, None, None, None]


class WithPadded(NamedTuple):
    """Maps n c y x, and the same with reflected pixels around them, n c y+2r x+2r."""

    maps: Tensor
    padded: Tensor


def instance_norm(
    maps: Tensor,
    *,
    weight: Tensor | None,
    bias: Tensor | None,
    epsilon: float,
    activation: Activation = "none",
    slope: float = 0.0,
    residual: Tensor | None = None,
    reflect: int = 0,
) -> Tensor:
    """reflect(activation(IN(maps) * weight + bias + residual)), n c y x -> n c y+2r x+2r.

    IN: each map of each picture to mean 0 and variance 1 (+ epsilon), by its own statistics, which are computed in
    float32. weight, bias: one number a channel, or None. slope: of leaky_relu below 0, not negative. residual: maps of
    the same shape, added before the activation. reflect: so many pixels around the result, mirrored at its borders, as
    the next convolution wants them.
    """
    if _is_taken(maps, residual, reflect):
        result: Tensor
        result, _ = _instance_norm(maps, weight, bias, residual, epsilon, activation, slope, reflect)
        return result
    result = _one_by_one(NormInputs(maps, weight, bias, epsilon), residual, activation, slope)
    return reflection_pad(result, (reflect,) * 4) if reflect else result


def instance_norm_with_padded(
    maps: Tensor,
    *,
    weight: Tensor | None,
    bias: Tensor | None,
    epsilon: float,
    activation: Activation = "none",
    slope: float = 0.0,
    residual: Tensor | None = None,
    reflect: int,
) -> WithPadded:
    """As `instance_norm`, where the result is needed both with reflected pixels and without, as in a residual block.

    The fused operation writes it once: the maps are then the inner part of the padded ones, and must not be changed in
    place. Its backward takes both gradients at once, where autograd would first bring them into one shape.
    """
    if _is_taken(maps, residual, reflect):
        inner, padded = _WithPadded.apply(maps, weight, bias, residual, epsilon, activation, slope, reflect)
        return WithPadded(inner, padded)
    result = _one_by_one(NormInputs(maps, weight, bias, epsilon), residual, activation, slope)
    return WithPadded(result, reflection_pad(result, (reflect,) * 4))


def _is_taken(maps: Tensor, residual: Tensor | None, reflect: int) -> bool:
    """Errors are left to torch's operations: one pixel has no variance, and fewer than `reflect` mirror nothing."""
    if not is_taken(maps) or maps.numel() == 0:
        return False
    height, width = maps.shape[2:]
    fits = residual is None or (residual.shape == maps.shape and residual.dtype == maps.dtype)
    return fits and height * width > 1 and min(height, width) > reflect


def _one_by_one(inputs: NormInputs, residual: Tensor | None, activation: Activation, slope: float) -> Tensor:
    maps, weight, bias, epsilon = inputs
    result = functional.instance_norm(maps, weight=weight, bias=bias, use_input_stats=True, eps=epsilon)
    if residual is not None:
        result = result + residual
    if activation == "relu":
        return functional.relu(result)
    return leaky_relu(result, slope) if activation == "leaky_relu" else result


@torch.library.custom_op("cartoon_dist::instance_norm", mutates_args=())
def _instance_norm(
    maps: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    residual: Tensor | None,
    epsilon: float,
    activation: str,
    slope: float,
    reflect: int,
) -> tuple[Tensor, Tensor]:
    """The result in channels_last, and mean and 1/deviation of each map, 2 n c."""
    with torch.autocast(maps.device.type, enabled=False):
        inputs = NormInputs(maps, weight, bias, epsilon)
        return norm_by_torch.forward(inputs, residual, Around(activation, slope, reflect))


@_instance_norm.register_kernel("cuda")
def _(
    maps: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    residual: Tensor | None,
    epsilon: float,
    activation: str,
    slope: float,
    reflect: int,
) -> tuple[Tensor, Tensor]:
    from cartoon_dist.gpu import norm_by_triton

    inputs = NormInputs(maps, weight, bias, epsilon)
    return norm_by_triton.forward(inputs, residual, Around(activation, slope, reflect))


@_instance_norm.register_fake
def _(
    maps: Tensor,
    weight: Tensor | None,  # noqa: ARG001
    bias: Tensor | None,  # noqa: ARG001
    residual: Tensor | None,  # noqa: ARG001
    epsilon: float,  # noqa: ARG001
    activation: str,  # noqa: ARG001
    slope: float,  # noqa: ARG001
    reflect: int,
) -> tuple[Tensor, Tensor]:
    pictures, channels, height, width = maps.shape
    size = (pictures, channels, height + 2 * reflect, width + 2 * reflect)
    statistics = maps.new_empty((2, pictures, channels), dtype=torch.promote_types(maps.dtype, torch.float32))
    return empty_maps(size, maps), statistics


@torch.library.custom_op("cartoon_dist::instance_norm_backward", mutates_args=())
def _instance_norm_backward(
    of_result: Tensor | None,
    of_inner: Tensor | None,
    maps: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    result: Tensor | None,
    statistics: Tensor,  # noqa: ARG001
    epsilon: float,
    activation: str,
    slope: float,
    reflect: int,
    with_residual: bool,  # noqa: FBT001
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of the maps, of weight and bias together (2 c), and of the residual; empty where not there."""
    with torch.autocast(maps.device.type, enabled=False):
        inputs, around = NormInputs(maps, weight, bias, epsilon), Around(activation, slope, reflect)
        of_maps, of_parameters, of_residual = norm_by_torch.backward(of_result, of_inner, inputs, result, around)
        return of_maps, of_parameters, of_residual if with_residual else of_residual.new_empty(0)


@_instance_norm_backward.register_kernel("cuda")
def _(
    of_result: Tensor | None,
    of_inner: Tensor | None,
    maps: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    result: Tensor | None,
    statistics: Tensor,
    epsilon: float,
    activation: str,
    slope: float,
    reflect: int,
    with_residual: bool,  # noqa: FBT001
) -> tuple[Tensor, Tensor, Tensor]:
    from cartoon_dist.gpu import norm_by_triton

    inputs, around = NormInputs(maps, weight, bias, epsilon), Around(activation, slope, reflect)
    return norm_by_triton.backward(of_result, of_inner, inputs, result, statistics, around, with_residual=with_residual)


@_instance_norm_backward.register_fake
def _(
    of_result: Tensor | None,  # noqa: ARG001
    of_inner: Tensor | None,  # noqa: ARG001
    maps: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,  # noqa: ARG001
    result: Tensor | None,  # noqa: ARG001
    statistics: Tensor,
    epsilon: float,  # noqa: ARG001
    activation: str,  # noqa: ARG001
    slope: float,  # noqa: ARG001
    reflect: int,  # noqa: ARG001
    with_residual: bool,  # noqa: FBT001
) -> tuple[Tensor, Tensor, Tensor]:
    of_parameters = statistics.new_empty(0 if weight is None else (2, maps.shape[1]))
    of_residual = empty_maps(maps.shape, maps) if with_residual else maps.new_empty(0)
    return empty_maps(maps.shape, maps), of_parameters, of_residual


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    """For the backward. Where a residual went into the activation, the result tells on which side of 0 its input was;
    else the maps do."""
    maps, weight, bias, residual, *ctx.settings = inputs
    result, statistics = output
    keeps_result = residual is not None and ctx.settings[1] != "none"
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(maps, weight, bias, result if keeps_result else None, statistics)


def _gradients(ctx: Any, of_result: Tensor | None, of_inner: Tensor | None) -> _Gradients:
    """From the gradients of the result and of its inner part, as they were used."""
    if of_result is None and of_inner is None:
        return (None,) * 8
    maps, weight, bias, result, statistics = ctx.saved_tensors
    activation, reflect = ctx.settings[1], ctx.settings[3]
    of_residual = of_inner if of_result is None or reflect else of_result
    # Without an activation a gradient that came in the maps' shape is the residual's as it is.
    is_sum = activation != "none" or (of_result is not None and reflect > 0)
    with_residual = ctx.needs_input_grad[3] and is_sum
    of_maps, of_parameters, summed = _instance_norm_backward(
        of_result, of_inner, maps, weight, bias, result, statistics, *ctx.settings, with_residual
    )
    of_weight = of_bias = None
    if weight is not None:
        of_weight, of_bias = of_parameters.to(weight.dtype).unbind()
    if not ctx.needs_input_grad[3]:
        of_residual = None
    elif is_sum:
        of_residual = summed
    return of_maps, of_weight, of_bias, of_residual, None, None, None, None


def _backward(ctx: Any, of_result: Tensor | None, _: Tensor | None) -> _Gradients:
    return _gradients(ctx, of_result, None)


_instance_norm.register_autograd(_backward, setup_context=_keep)


class _WithPadded(torch.autograd.Function):
    """The same operation with its result used twice: its inner part, and whole."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        """The inner part of the result, and the result."""
        output = _instance_norm(*inputs)
        _keep(ctx, inputs, output)
        padded, reflect = output[0], inputs[-1]
        return padded[..., reflect:-reflect, reflect:-reflect], padded

    @staticmethod
    def backward(ctx: Any, of_inner: Tensor | None, of_padded: Tensor | None) -> _Gradients:
        """From both gradients at once."""
        return _gradients(ctx, of_padded, of_inner)
