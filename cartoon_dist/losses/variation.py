"""How much neighbouring pixels of a picture differ: total variation, squared."""

from torch import Tensor

from cartoon_dist.gpu.layout import lies_channels_last
from cartoon_dist.losses.precision import at_least_float32
from cartoon_dist.tensors import Images, Scalar


def squared_variation(pictures: Images) -> Scalar:
    """mean dx^2 + mean dy^2 between neighbours, over pictures, channels and pixels."""
    values, rows, columns = at_least_float32(pictures), 2, 3
    if lies_channels_last(values):  # as they lie, so that the gradient does
        values, rows, columns = values.permute(0, 2, 3, 1), 1, 2
    down, across = (_differences(values, dimension).square().mean() for dimension in (rows, columns))
    return across + down


def _differences(values: Tensor, dimension: int) -> Tensor:
    """Of neighbours along a dimension."""
    num = values.shape[dimension] - 1
    return values.narrow(dimension, 1, num) - values.narrow(dimension, 0, num)
