"""The guided filter (He, Sun, Tang, TPAMI 2013): smooths a picture where a second one, the guide, is smooth."""

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.tensors import Features, Images


def guided_filter(guide: Features, source: Features, *, radius_pixels: int, epsilon: float) -> Features:
    """a * guide + b, channel by channel, a and b the mean over each window of the best fit of `source` by the guide.

    Windows are squares of side 2 r + 1, cut where the picture ends. epsilon: how much variance counts as smooth. At
    least in float32: a variance is the difference of two means.
    """
    kind = torch.promote_types(source.dtype, torch.float32)
    x, y = guide.to(kind), source.to(kind)
    mean_x, mean_y = (_window_mean(one, radius_pixels) for one in (x, y))
    covariance = _window_mean(x * y, radius_pixels) - mean_x * mean_y
    variance = _window_mean(x * x, radius_pixels) - mean_x * mean_x
    a = covariance / (variance + epsilon)
    b = mean_y - a * mean_x
    return _window_mean(a, radius_pixels) * x + _window_mean(b, radius_pixels)


def surface(pictures: Images) -> Features:
    """White-box's picture without texture: guided by itself, r = 5, eps = 0.2."""
    return guided_filter(pictures, pictures, radius_pixels=5, epsilon=0.2)


def _window_mean(maps: Tensor, radius: int) -> Tensor:
    return functional.avg_pool2d(maps, 2 * radius + 1, stride=1, padding=radius, count_include_pad=False)
