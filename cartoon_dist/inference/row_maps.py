"""Feature maps that are computed row by row: each knows its shape, its sources and how to compute some of its rows.

A map is of one picture, so its tensors are 1 c y x. A range of rows is half-open. The rows that a map needs of its
sources are exact: a 3x3 convolution needs one row more on either side, and borders are padded where the picture ends,
never where a strip does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from cartoon_dist.inference.moments import Moments
from cartoon_dist.inference.stored_rows import RowRange as RowRange
from cartoon_dist.inference.stored_rows import StoredRows

Shape = tuple[int, int, int]
"""Channels, height, width."""
SOURCE = torch.empty(0)
"""Stands for a source among the recorded arguments of a call."""


@dataclass(frozen=True, eq=False)
class Call:
    """The call of the forward that made a map: the function, and its arguments with SOURCE for each source."""

    function: Callable[..., Any]
    arguments: Sequence[Any]
    keywords: Mapping[str, Any]


class RowMap:
    """A map that can be computed row by row.

    stored: the map itself, where it is kept. moments: of the whole map, filled where `needs_moments` is set; its
    variance and largest value where these are needed. pointwise: a row is computed from the same row of the sources,
    and cheaply. products: multiplications that each of its numbers takes. call: what made it, where a forward did.
    """

    pointwise = False
    products = 0
    call: Call | None = None

    def __init__(self, shape: Shape, sources: Sequence["RowMap"], *, whole: Tensor | None = None) -> None:
        self.channels, self.height, self.width = shape
        self.sources = tuple(sources)
        self.stored = None if whole is None else StoredRows(whole)
        self.needs_moments = self.needs_variance = self.needs_maximum = False
        self.moments = Moments()

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """The rows of each source that these rows are computed from."""
        raise NotImplementedError

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:
        """These rows, from the rows of each source that `needed_rows` names."""
        raise NotImplementedError

    def keep(self, stored: StoredRows) -> None:
        """From now on it is read and not computed: its sources are let go."""
        self.stored = stored
        self.sources = ()


class Pointwise(RowMap):
    """The same function of each source's row, row by row; a source of one row is used for all rows."""

    pointwise = True

    def __init__(self, shape: Shape, sources: Sequence[RowMap], function: Callable[[list[Tensor]], Tensor]) -> None:
        super().__init__(shape, sources)
        self._function = function

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """The same rows."""
        return [(0, 1) if source.height == 1 else rows for source in self.sources]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:  # noqa: ARG002 (other maps need the rows)
        """The function of the source rows."""
        return self._function(source_rows)


class Normalised(RowMap):
    """Instance norm: the source normalised by the mean and the variance of its whole map. ease: makes of both, 1 2c,
    those that it is normalised by; called for each strip."""

    pointwise = True

    def __init__(
        self,
        source: RowMap,
        *,
        weight: Tensor | None,
        bias: Tensor | None,
        epsilon: float,
        ease: Callable[[Tensor], Tensor] = lambda moments: moments,
    ) -> None:
        super().__init__((source.channels, source.height, source.width), [source])
        source.needs_moments = source.needs_variance = True
        self._source_moments = source.moments
        self.weight, self.bias, self.epsilon, self._ease = weight, bias, epsilon, ease

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """The same rows."""
        return [rows]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:  # noqa: ARG002 (other maps need the rows)
        """(x - mean) / sqrt(variance + epsilon) * weight + bias."""
        [values] = source_rows
        mean, variance = self.moments_used().to(values.dtype).chunk(2)
        return functional.batch_norm(values, mean, variance, self.weight, self.bias, eps=self.epsilon)

    def moments_used(self) -> Tensor:
        """The means and the variances that the source is normalised by, 2c float64; it has been measured."""
        moments = torch.cat([self._source_moments.mean, self._source_moments.variance], 1)[:, :, 0, 0]
        return self._ease(moments)[0].double()


class Pooled(RowMap):
    """One pixel: the mean or the largest value of the whole source."""

    def __init__(self, source: RowMap, kind: Literal["mean", "maximum"], dtype: torch.dtype) -> None:
        super().__init__((source.channels, 1, 1), [source])
        source.needs_moments = True
        source.needs_maximum |= kind == "maximum"
        self.kind, self._dtype = kind, dtype

    def pool(self) -> None:
        """Compute and store the pixel; the source has been measured."""
        moments = self.sources[0].moments
        self.keep(StoredRows((moments.mean if self.kind == "mean" else moments.maximum).to(self._dtype)))


class ReflectionPadded(RowMap):
    """Reflection padding: so many rows above and below, and columns on the left and the right; the border itself is not
    repeated."""

    def __init__(self, source: RowMap, *, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        super().__init__((source.channels, source.height + sum(rows), source.width + sum(columns)), [source])
        self.rows, self.columns = rows, columns

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """The rows themselves and those that are reflected."""
        indices = self.source_indices(rows)
        return [(int(indices.min()), int(indices.max()) + 1)]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:
        """The source rows with the reflected rows and columns."""
        [values] = source_rows
        indices = self.source_indices(rows)
        first = int(indices.min())
        if int(indices[-1]) - int(indices[0]) != len(indices) - 1:  # else nothing is reflected
            values = values.index_select(2, (indices - first).to(values.device))
        return functional.pad(values, (*self.columns, 0, 0), mode="reflect")

    def source_indices(self, rows: RowRange) -> Tensor:
        """Which row of the source each of these rows is."""
        inside = (torch.arange(*rows) - self.rows[0]).abs()
        last = self.sources[0].height - 1
        return last - (last - inside).abs()


class Convolved(RowMap):
    """A convolution, with zero padding."""

    def __init__(
        self, source: RowMap, weight: Tensor, bias: Tensor | None, *, stride: int, padding: int, groups: int
    ) -> None:
        channels, _, kernel_height, kernel_width = weight.shape
        height = (source.height + 2 * padding - kernel_height) // stride + 1
        width = (source.width + 2 * padding - kernel_width) // stride + 1
        super().__init__((channels, height, width), [source])
        self.source_height = source.height
        self.weight, self.bias, self.stride, self.padding = weight, bias, stride, padding
        self.groups = groups
        self.products = weight[0].numel()

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """The rows under the kernel, cut at the source's borders."""
        first, end = self.rows_under_kernel(rows)
        return [(max(0, first), min(self.source_height, end))]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:
        """The convolution of the source rows, zero padded only where the source ends."""
        [values] = source_rows
        first, end = self.rows_under_kernel(rows)
        above, below = max(0, -first), max(0, end - self.source_height)
        if above or below:
            values = functional.pad(values, (0, 0, above, below))
        padding = (0, self.padding)
        return functional.conv2d(
            values, self.weight, self.bias, stride=self.stride, padding=padding, groups=self.groups
        )

    def rows_under_kernel(self, rows: RowRange) -> RowRange:
        """The rows of the source under the kernel, also those beyond its borders."""
        first, end = rows
        top = first * self.stride - self.padding
        return top, (end - 1) * self.stride - self.padding + self.weight.shape[2]


class Downsampled(RowMap):
    """Half as many rows and columns: row y is computed from the rows 2y and 2y + 1."""

    def __init__(self, source: RowMap, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__((source.channels, source.height // 2, source.width // 2), [source])
        self._function = function

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """Twice the rows."""
        return [(2 * rows[0], 2 * rows[1])]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:  # noqa: ARG002 (other maps need the rows)
        """The function of the source rows."""
        return self._function(source_rows[0])


class ZeroPadded(RowMap):
    """Zero padding: so many rows above and below, and columns on the left and the right."""

    def __init__(self, source: RowMap, *, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        super().__init__((source.channels, source.height + sum(rows), source.width + sum(columns)), [source])
        self._source_height, self._above, self.columns = source.height, rows[0], columns

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """The rows of the source among these; one at least, so that the width and the type are known."""
        first = min(max(0, rows[0] - self._above), self._source_height - 1)
        return [(first, max(first + 1, min(self._source_height, rows[1] - self._above)))]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:
        """The source rows, and zeros for the others."""
        above, below = self.rows_beyond(rows)
        return functional.pad(source_rows[0], (*self.columns, above, below))

    def rows_beyond(self, rows: RowRange) -> tuple[int, int]:
        """How many rows of zeros lie above and below those of the source; -1 where one more than wanted is needed."""
        [(first, end)] = self.needed_rows(rows)
        return first + self._above - rows[0], rows[1] - end - self._above


class Windowed(RowMap):
    """A function for which row y needs `around` rows above and below it; at the picture's borders the function does its
    own padding."""

    def __init__(self, source: RowMap, function: Callable[[Tensor], Tensor], *, around: int) -> None:
        super().__init__((source.channels, source.height, source.width), [source])
        self._source_height, self._function, self._around = source.height, function, around

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """The rows, and those around them, cut at the source's borders."""
        return [(self._top(rows[0]), min(self._source_height, rows[1] + self._around))]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:
        """The function of the source rows, cut to the rows that are asked for."""
        skipped = self.skipped_rows(rows[0])
        return self._function(source_rows[0])[:, :, skipped : skipped + rows[1] - rows[0]]

    def skipped_rows(self, first: int) -> int:
        """How many rows the function computes above the first that is asked for."""
        return first - self._top(first)

    def _top(self, first: int) -> int:
        return max(0, first - self._around)


class Upsampled(RowMap):
    """Twice as many rows and columns, by a function for which row y needs row y // 2, so many rows `above` it and so
    many `below` it; at the picture's borders the function does its own padding."""

    def __init__(
        self, source: RowMap, function: Callable[[Tensor], Tensor], *, channels: int, above: int, below: int
    ) -> None:
        super().__init__((channels, 2 * source.height, 2 * source.width), [source])
        self._source_height = source.height
        self._function, self.above, self.below = function, above, below

    def needed_rows(self, rows: RowRange) -> list[RowRange]:
        """Half of the rows, and those around them, cut at the source's borders."""
        first, end = rows
        return [(self._top(first), min(self._source_height, (end + 1) // 2 + self.below))]

    def compute(self, rows: RowRange, source_rows: list[Tensor]) -> Tensor:
        """The function of the source rows, cut to the rows that are asked for."""
        first, end = rows
        skipped = self.skipped_rows(first)
        return self._function(source_rows[0])[:, :, skipped : skipped + end - first]

    def skipped_rows(self, first: int) -> int:
        """How many rows the function computes above the first that is asked for."""
        return first - 2 * self._top(first)

    def _top(self, first: int) -> int:
        return max(0, first // 2 - self.above)
