"""A map that is doubled by nearest neighbour and convolved, as one function, by torch or by onnxruntime."""

from torch import Tensor
from torch.nn import functional


def doubled_and_convolved(maps: Tensor, weight: Tensor, bias: Tensor | None, *, is_mirrored: bool) -> Tensor:
    """n c y x -> n c' 2y 2x: twice as many rows and columns by nearest neighbour, then a 3x3 convolution, which sees
    zeros beyond the borders, or the map mirrored there."""
    doubled = functional.interpolate(maps, scale_factor=2.0, mode="nearest")
    if is_mirrored:
        return functional.conv2d(functional.pad(doubled, (1, 1, 1, 1), mode="reflect"), weight, bias)
    return functional.conv2d(doubled, weight, bias, padding=1)
