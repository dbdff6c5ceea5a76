"""Mean, variance and largest value of a map that comes strip by strip."""

import torch
from torch import Tensor


class Moments:
    """Mean, variance and largest value of every channel over rows that come strip by strip.

    Each strip's own mean and sum of squares are merged in float64 by Chan, Golub and LeVeque (1979), so that neither
    the number of strips nor a mean far from zero costs digits.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = self.maximum = torch.zeros(())

    def add(self, strip: Tensor) -> None:
        """Add the rows of a strip, 1 c y x."""
        variance, mean = torch.var_mean(strip, (2, 3), correction=0, keepdim=True)
        count = strip.shape[2] * strip.shape[3]
        self.merge(count, mean=mean, variance=variance, maximum=strip.amax((2, 3), keepdim=True))

    def merge(self, count: int, *, mean: Tensor, variance: Tensor, maximum: Tensor) -> None:
        """Add so many pixels of which the moments are known, 1 c 1 1 each."""
        mean, variance = mean.double(), variance.double()
        if not self.count:
            self.count, self.mean, self.squares, self.maximum = count, mean, variance * count, maximum
            return
        total = self.count + count
        difference = mean - self.mean
        self.squares = self.squares + variance * count + difference.square() * (self.count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.maximum = torch.maximum(self.maximum, maximum)
        self.count = total

    @property
    def variance(self) -> Tensor:
        """The variance over the whole map, without Bessel's correction: 1 c 1 1."""
        return self.squares / self.count
