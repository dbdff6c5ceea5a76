"""Mean, variance and largest value of a map that comes strip by strip."""

import torch
from torch import Tensor

_NOTHING = torch.zeros(())


class Moments:
    """Mean, variance and largest value of every channel over rows that come strip by strip; 1 c 1 1 each.

    Each strip's own mean and sum of squares are merged in float64 by Chan, Golub and LeVeque (1979), so that neither
    the number of strips nor a mean far from zero costs digits. squares: the squared distances from the mean, summed.
    """

    def __init__(
        self,
        count: int = 0,
        mean: Tensor = _NOTHING,
        squares: Tensor = _NOTHING,
        maximum: Tensor = _NOTHING,
    ) -> None:
        self.count = count
        self.mean = mean.double()
        self.squares = squares.double()
        self.maximum = maximum

    @classmethod
    def of(cls, strip: Tensor) -> "Moments":
        """Those of a strip's rows, 1 c y x."""
        variance, mean = torch.var_mean(strip, (2, 3), correction=0, keepdim=True)
        count = strip.shape[2] * strip.shape[3]
        return cls(count, mean, variance.double() * count, strip.amax((2, 3), keepdim=True))

    def merge(self, other: "Moments") -> None:
        """Add the pixels of which these are the moments."""
        if not self.count:
            self.count, self.mean, self.squares, self.maximum = other.count, other.mean, other.squares, other.maximum
            return
        total = self.count + other.count
        difference = other.mean - self.mean
        self.squares = self.squares + other.squares + difference.square() * (self.count * other.count / total)
        self.mean = self.mean + difference * (other.count / total)
        self.maximum = torch.maximum(self.maximum, other.maximum)
        self.count = total

    @property
    def variance(self) -> Tensor:
        """The variance over the whole map, without Bessel's correction: 1 c 1 1."""
        return self.squares / self.count
