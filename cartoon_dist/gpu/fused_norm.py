"""Instance norm with all that the networks do around it, as one operation: activation, residual sum, reflection."""

from typing import Literal

from torch import Tensor
from torch.nn import functional

Activation = Literal["none", "relu", "leaky_relu"]


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
    float32. weight, bias: one number a channel, or None. slope: of leaky_relu below 0. residual: maps of the same
    shape, added before the activation. reflect: so many pixels around the result, mirrored at its borders, as the next
    convolution wants them.
    """
    result = functional.instance_norm(maps, weight=weight, bias=bias, use_input_stats=True, eps=epsilon)
    if residual is not None:
        result = result + residual
    if activation == "relu":
        result = functional.relu(result)
    elif activation == "leaky_relu":
        result = functional.leaky_relu(result, slope)
    return functional.pad(result, (reflect,) * 4, mode="reflect") if reflect else result
