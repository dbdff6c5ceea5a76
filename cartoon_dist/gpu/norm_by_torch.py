"""The operations of gpu/fused_norm.py by torch's own, forward and backward: how they run on a CPU, where tests force
them. Values and gradients are those of the plain operations and of autograd, to the bit."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_aten = torch.ops.aten


class Around(NamedTuple):
    """What follows the norm: relu, leaky_relu with a slope or none, and so many reflected pixels."""

    activation: str
    slope: float
    reflect: int

    @property
    def edges(self) -> list[int]:
        """Of the padding: left, right, above, below."""
        return [self.reflect] * 4


class NormInputs(NamedTuple):
    """What the norm reads: maps n c y x, one number a channel or None, and epsilon."""

    maps: Tensor
    weight: Tensor | None
    bias: Tensor | None
    epsilon: float


def forward(inputs: NormInputs, residual: Tensor | None, around: Around) -> tuple[Tensor, Tensor]:
    """The result in channels_last, and mean and 1/deviation of each map, 2 n c in at least float32."""
    result, mean, rstd = _norm(inputs)
    if residual is not None:
        result = result + residual
    if around.activation == "relu":
        result = functional.relu(result)
    elif around.activation == "leaky_relu":
        result = functional.leaky_relu(result, around.slope)
    if around.reflect:
        result = _aten.reflection_pad2d(result, around.edges)
    statistics = torch.stack([mean, rstd]).view(2, *inputs.maps.shape[:2])
    return channels_last(result), statistics.to(torch.promote_types(statistics.dtype, torch.float32))


def backward(
    of_result: Tensor | None, of_inner: Tensor | None, inputs: NormInputs, result: Tensor | None, around: Around
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of the maps (channels_last), of weight and bias (2 c) and of the residual (channels_last).

    of_result: the gradient of the result with its reflected pixels; of_inner: of its inner part, used without them.
    result: with its reflected pixels, where a residual went into the activation.
    """
    normed, mean, rstd = _norm(inputs)
    gradient = of_result
    if of_result is not None and around.reflect:
        gradient = _aten.reflection_pad2d_backward(of_result, normed, around.edges)
    if of_inner is not None:
        gradient = of_inner if gradient is None else gradient + of_inner
    assert gradient is not None
    gradient = _through_activation(gradient, normed, result, around)
    pictures, channels = normed.shape[:2]
    flat = (1, pictures * channels, *normed.shape[2:])
    of_maps, of_weight, of_bias = _aten.native_batch_norm_backward(
        gradient.contiguous().view(flat),
        inputs.maps.contiguous().view(flat),
        _for_each_picture(inputs.weight, pictures),
        None,
        None,
        mean,
        rstd,
        train=True,
        eps=inputs.epsilon,
        output_mask=[True, inputs.weight is not None, inputs.weight is not None],
    )
    of_parameters = gradient.new_empty(0, dtype=of_parameters_dtype(inputs.maps))
    if inputs.weight is not None:
        of_parameters = torch.stack([part.view(pictures, channels).sum(0) for part in (of_weight, of_bias)])
    return channels_last(of_maps.view(normed.shape)), of_parameters, channels_last(gradient)


def of_parameters_dtype(maps: Tensor) -> torch.dtype:
    """In which the gradients of weight and bias are summed: at least float32."""
    return torch.promote_types(maps.dtype, torch.float32)


def channels_last(maps: Tensor) -> Tensor:
    """A copy in channels_last, also of maps with one channel or one pixel, which are in it already by name."""
    return torch.empty_like(maps, memory_format=torch.channels_last).copy_(maps)


def _norm(inputs: NormInputs) -> tuple[Tensor, Tensor, Tensor]:
    """IN as torch computes it: each map of each picture as one map of a batch norm. And mean and 1/deviation, n c."""
    pictures, channels = inputs.maps.shape[:2]
    normed, mean, rstd = _aten.native_batch_norm(
        inputs.maps.contiguous().view(1, pictures * channels, *inputs.maps.shape[2:]),
        _for_each_picture(inputs.weight, pictures),
        _for_each_picture(inputs.bias, pictures),
        None,
        None,
        training=True,
        momentum=0.1,
        eps=inputs.epsilon,
    )
    return normed.view(inputs.maps.shape), mean, rstd


def _for_each_picture(parameter: Tensor | None, num_pictures: int) -> Tensor | None:
    return None if parameter is None else parameter.repeat(num_pictures)


def _through_activation(gradient: Tensor, normed: Tensor, result: Tensor | None, around: Around) -> Tensor:
    if around.activation == "none":
        return gradient
    if result is not None:
        rows, columns = (slice(around.reflect, side - around.reflect) for side in result.shape[2:])
        known = result[..., rows, columns]
    else:
        known = normed
    if around.activation == "relu":
        return _aten.threshold_backward(gradient, known, 0)
    return _aten.leaky_relu_backward(gradient, known, around.slope, self_is_result=False)
