"""Feature maps that are not there yet: each knows its shape, what it is made of and how to make some of its rows.

A map is of one picture, so its tensors are 1 c y x. Rows are half-open ranges of y. What a map needs of its sources to
make rows is exact: a 3x3 convolution asks for one row more on either side, and borders are padded where the picture
ends, never where a strip does.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Rows = tuple[int, int]
"""From the first row to behind the last."""
Shape = tuple[int, int, int]
"""Channels, height, width."""


class Moments:
    """Mean, variance and largest value of every channel over rows that come strip by strip.

    Each strip's own mean and sum of squares are merged in float64 by Chan, Golub and LeVeque (1979), so that neither
    the number of strips nor a mean far from zero costs digits.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = self.peak = torch.zeros(())

    def add(self, strip: Tensor) -> None:
        """Take in the rows of a strip, 1 c y x."""
        variance, mean = (moment.double() for moment in torch.var_mean(strip, (2, 3), correction=0, keepdim=True))
        peak, count = strip.amax((2, 3), keepdim=True), strip.shape[2] * strip.shape[3]
        if not self.count:
            self.count, self.mean, self.squares, self.peak = count, mean, variance * count, peak
            return
        total = self.count + count
        apart = mean - self.mean
        self.squares = self.squares + variance * count + apart.square() * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.peak = torch.maximum(self.peak, peak)
        self.count = total

    @property
    def variance(self) -> Tensor:
        """Of the whole map, not of a sample: 1 c 1 1."""
        return self.squares / self.count


class RowMap:
    """A map that can be made row by row.

    held: the whole map, where it is kept. moments: of the whole map, where `measured` says that somebody asks for them.
    pointwise: a row is made of the same row of the sources, and cheaply.
    """

    pointwise = False

    def __init__(self, shape: Shape, sources: Sequence["RowMap"], *, held: Tensor | None = None) -> None:
        self.channels, self.height, self.width = shape
        self.sources = tuple(sources)
        self.held = held
        self.measured = False
        self.moments = Moments()

    def needs(self, rows: Rows) -> list[Rows]:
        """Which rows of each source go into these rows."""
        raise NotImplementedError

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:
        """These rows out of the rows of each source that `needs` names."""
        raise NotImplementedError

    def release(self) -> None:
        """Forget what the map is made of, as it is held now."""
        self.sources = ()


class Pointwise(RowMap):
    """Row by row the same function of each source's row; a source of one row goes into all rows."""

    pointwise = True

    def __init__(self, shape: Shape, sources: Sequence[RowMap], function: Callable[[list[Tensor]], Tensor]) -> None:
        super().__init__(shape, sources)
        self._function = function

    def needs(self, rows: Rows) -> list[Rows]:
        """The same rows."""
        return [(0, 1) if source.height == 1 else rows for source in self.sources]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:  # noqa: ARG002 (others need the rows)
        """The function of them."""
        return self._function(given)


class Normalised(RowMap):
    """IN: the source by the mean and the variance of its whole map."""

    pointwise = True

    def __init__(self, source: RowMap, *, weight: Tensor | None, bias: Tensor | None, epsilon: float) -> None:
        super().__init__((source.channels, source.height, source.width), [source])
        source.measured = True
        self._source_moments = source.moments
        self._weight, self._bias, self._epsilon = weight, bias, epsilon

    def needs(self, rows: Rows) -> list[Rows]:
        """The same rows."""
        return [rows]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:  # noqa: ARG002 (others need the rows)
        """(x - mean) / sqrt(variance + epsilon) * weight + bias."""
        [values] = given
        mean, variance = (
            moment.flatten().to(values.dtype) for moment in (self._source_moments.mean, self._source_moments.variance)
        )
        return functional.batch_norm(values, mean, variance, self._weight, self._bias, eps=self._epsilon)


class Pooled(RowMap):
    """One pixel: the mean or the largest value of the whole source."""

    def __init__(self, source: RowMap, kind: Literal["mean", "peak"], dtype: torch.dtype) -> None:
        super().__init__((source.channels, 1, 1), [source])
        source.measured = True
        self._kind, self._dtype = kind, dtype

    def pool(self) -> None:
        """Hold the pixel; the source has been measured."""
        moments = self.sources[0].moments
        self.held = (moments.mean if self._kind == "mean" else moments.peak).to(self._dtype)
        self.release()


class Reflected(RowMap):
    """The source with a mirror at its borders: so many rows more above and below and columns more on the left and the
    right, the border itself not doubled."""

    def __init__(self, source: RowMap, *, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        super().__init__((source.channels, source.height + sum(rows), source.width + sum(columns)), [source])
        self._above, self._columns = rows[0], columns

    def needs(self, rows: Rows) -> list[Rows]:
        """The rows themselves and those that the mirror shows."""
        seen = self._seen(rows)
        return [(int(seen.min()), int(seen.max()) + 1)]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:
        """Rows and columns with their mirrored ones."""
        [values] = given
        seen = self._seen(rows)
        first = int(seen.min())
        if int(seen[-1]) - int(seen[0]) != len(seen) - 1:  # else they are the rows as they lie
            values = values.index_select(2, (seen - first).to(values.device))
        return functional.pad(values, (*self._columns, 0, 0), mode="reflect")

    def _seen(self, rows: Rows) -> Tensor:
        inside = (torch.arange(*rows) - self._above).abs()
        last = self.sources[0].height - 1
        return last - (last - inside).abs()


class Convolved(RowMap):
    """A convolution, with zeros behind the borders where it pads."""

    def __init__(
        self, source: RowMap, weight: Tensor, bias: Tensor | None, *, stride: int, padding: int, groups: int
    ) -> None:
        channels, _, kernel_height, kernel_width = weight.shape
        height = (source.height + 2 * padding - kernel_height) // stride + 1
        width = (source.width + 2 * padding - kernel_width) // stride + 1
        super().__init__((channels, height, width), [source])
        self._source_height = source.height
        self._weight, self._bias, self._stride, self._padding = weight, bias, stride, padding
        self._groups = groups

    def needs(self, rows: Rows) -> list[Rows]:
        """The rows under the kernel, as far as there are any."""
        first, end = self._under(rows)
        return [(max(0, first), min(self._source_height, end))]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:
        """The convolution of them, with zeros only where the map ends."""
        [values] = given
        first, end = self._under(rows)
        above, below = max(0, -first), max(0, end - self._source_height)
        if above or below:
            values = functional.pad(values, (0, 0, above, below))
        padding = (0, self._padding)
        return functional.conv2d(
            values, self._weight, self._bias, stride=self._stride, padding=padding, groups=self._groups
        )

    def _under(self, rows: Rows) -> Rows:
        first, end = rows
        top = first * self._stride - self._padding
        return top, (end - 1) * self._stride - self._padding + self._weight.shape[2]


class Halved(RowMap):
    """Half as many rows and columns: row y is made of the rows 2y and 2y + 1."""

    def __init__(self, source: RowMap, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__((source.channels, source.height // 2, source.width // 2), [source])
        self._function = function

    def needs(self, rows: Rows) -> list[Rows]:
        """Twice the rows."""
        return [(2 * rows[0], 2 * rows[1])]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:  # noqa: ARG002 (others need the rows)
        """The function of them."""
        return self._function(given[0])


class Bordered(RowMap):
    """The source with so many rows of zeros more above and below, and columns on the left and the right."""

    def __init__(self, source: RowMap, *, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        super().__init__((source.channels, source.height + sum(rows), source.width + sum(columns)), [source])
        self._source_height, self._above, self._columns = source.height, rows[0], columns

    def needs(self, rows: Rows) -> list[Rows]:
        """Those of the source among the rows; one at least, so that there is something to go by."""
        first = min(max(0, rows[0] - self._above), self._source_height - 1)
        return [(first, max(first + 1, min(self._source_height, rows[1] - self._above)))]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:
        """They, and zeros for the others."""
        [(first, end)] = self.needs(rows)
        first, end = first + self._above, end + self._above
        return functional.pad(given[0], (*self._columns, first - rows[0], rows[1] - end))


class Surrounding(RowMap):
    """A function for which row y needs so many rows behind it and ahead of it; what stands in for them where the
    picture ends is the function's own."""

    def __init__(self, source: RowMap, function: Callable[[Tensor], Tensor], *, around: int) -> None:
        super().__init__((source.channels, source.height, source.width), [source])
        self._source_height, self._function, self._around = source.height, function, around

    def needs(self, rows: Rows) -> list[Rows]:
        """The rows, and those around them where there are any."""
        return [(self._top(rows[0]), min(self._source_height, rows[1] + self._around))]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:
        """The function of them without the rows that were not asked for."""
        skipped = rows[0] - self._top(rows[0])
        return self._function(given[0])[:, :, skipped : skipped + rows[1] - rows[0]]

    def _top(self, first: int) -> int:
        return max(0, first - self._around)


class Doubled(RowMap):
    """Twice as many rows and columns, by a function for which row y needs the row y // 2 and so many `behind` it and
    `ahead` of it; what stands in for them where the picture ends is the function's own."""

    def __init__(
        self, source: RowMap, function: Callable[[Tensor], Tensor], *, channels: int, behind: int, ahead: int
    ) -> None:
        super().__init__((channels, 2 * source.height, 2 * source.width), [source])
        self._source_height = source.height
        self._function, self._behind, self._ahead = function, behind, ahead

    def needs(self, rows: Rows) -> list[Rows]:
        """The half of the rows, and those around it where there are any."""
        first, end = rows
        return [(self._top(first), min(self._source_height, (end + 1) // 2 + self._ahead))]

    def compute(self, rows: Rows, given: list[Tensor]) -> Tensor:
        """The function of them without the rows that were not asked for."""
        first, end = rows
        skipped = first - 2 * self._top(first)
        return self._function(given[0])[:, :, skipped : skipped + end - first]

    def _top(self, first: int) -> int:
        return max(0, first // 2 - self._behind)
