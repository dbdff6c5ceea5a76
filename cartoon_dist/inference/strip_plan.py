"""Which maps of a traced forward are measured and stored in which pass over the picture, within a memory.

A pass goes over the picture once, strip by strip. A map whose depth is 3 needs statistics that need statistics that
need statistics: it can be computed in the third pass after the first. All maps of one depth whose own statistics are
needed are measured in the same pass, so there is one pass for each depth.

A pass computes what it measures from the photo, and from maps that earlier passes stored. If every map that costs much
were stored, each would be computed once. Where that does not fit the memory, those are left out whose computing again
takes least.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor

from cartoon_dist.inference.moments import Moments
from cartoon_dist.inference.row_maps import Normalised, Pooled, RowMap, RowRange
from cartoon_dist.inference.tracing import ordered

_PRODUCTS_PER_NUMBER = 40
"""So many multiplications take as long as it takes to write a number and to read it again (docs/performance.md)."""


@dataclass(frozen=True)
class Pass:
    """One pass over the picture.

    measured: maps whose moments it takes. stored: maps that it keeps, for later passes or as the result. pooled: pixels
    that are known after it. last_read: stored maps that no later pass reads.
    """

    measured: Sequence[RowMap]
    stored: Sequence[RowMap]
    pooled: Sequence[Pooled]
    last_read: Sequence[RowMap]

    @property
    def targets(self) -> list[RowMap]:
        """What it computes."""
        return list(dict.fromkeys([*self.measured, *self.stored]))


@dataclass(frozen=True)
class Strip:
    """What a pass computes in one strip: rows of its targets, from the needed rows of all maps; sources come first."""

    targets: Mapping[RowMap, RowRange]
    order: Sequence[RowMap]
    needed: Mapping[RowMap, RowRange]


class Computed(NamedTuple):
    """What a strip has: the rows of the maps that its pass stores, and the moments of those that it measures."""

    rows: Mapping[RowMap, Tensor]
    moments: Mapping[RowMap, Moments]


@dataclass(frozen=True)
class Costs:
    """What a choice of stored maps costs: the most bytes that are stored at a time, the work of all passes in numbers
    written and read, and the pass in which each stored map is read last."""

    memory: int
    work: float
    last_read: dict[RowMap, int]


def plan(root: RowMap) -> list[Pass]:
    """The passes in their order; the last computes the root.

    The memory is what it takes to store all that is worth it of the maps smaller than the picture; larger maps are
    stored as far as they find place in it.
    """
    forward = Forward(root)
    small = {row_map for row_map in forward.candidates if row_map.height < root.height}
    return forward.passes(forward.choice(limit=forward.costs(small).memory))


def strip_of(targets: Mapping[RowMap, RowRange]) -> Strip:
    """The strip that computes these rows."""
    order = ordered(targets)
    needed = dict(targets)
    for row_map in reversed(order):
        if row_map.stored is not None:
            continue
        for source, (first, end) in zip(row_map.sources, row_map.needed_rows(needed[row_map]), strict=True):
            before = needed.get(source, (first, end))
            needed[source] = (min(before[0], first), max(before[1], end))
    return Strip(targets, order, needed)


class Forward:
    """A traced forward, and what it costs to compute it in passes."""

    def __init__(self, root: RowMap) -> None:
        self.root = root
        self.order = ordered([root])
        self.depths = depths(self.order)

    @cached_property
    def num_passes(self) -> int:
        """One for each depth."""
        return self.depths[self.root] + 1

    @cached_property
    def candidates(self) -> list[RowMap]:
        """The maps that may be worth storing: not those that are a cheap function of a single map."""
        return [
            row_map
            for row_map in self.order
            if row_map is not self.root
            and row_map.height > 1
            and row_map.stored is None
            and not (row_map.pointwise and sum(source.height > 1 for source in row_map.sources) == 1)
        ]

    def choice(self, limit: int) -> set[RowMap]:
        """The maps to store so that at most `limit` bytes are stored at a time, for little work.

        First all whose storing saves work. Then, where most is stored, the one is dropped again and again that saves
        least. At the end one map is added or dropped as long as that saves work within the limit.
        """
        chosen = set(self.candidates)
        for row_map in self.candidates:
            if self.costs(chosen - {row_map}).work <= self.costs(chosen).work:
                chosen.remove(row_map)
        while self.costs(chosen).memory > limit:
            chosen.remove(min(self._stored_at_the_peak(chosen), key=lambda one: self.costs(chosen - {one}).work))
        while True:
            others = [
                (costs.work, index)
                for index, row_map in enumerate(self.candidates)
                if (costs := self.costs(chosen ^ {row_map})).memory <= limit
            ]
            work, index = min(others, default=(0.0, 0))
            if not others or work >= self.costs(chosen).work:
                return chosen
            chosen ^= {self.candidates[index]}

    def costs(self, chosen: Collection[RowMap]) -> Costs:
        """Of storing these maps: each in the pass of its depth, until the last pass that reads it.

        While a pass goes from top to bottom the rows are given up that nobody reads any more, and others are stored. So
        the most is stored before or after a pass.
        """
        last_read = {row_map: self.depths[row_map] for row_map in chosen}
        work = 0.0
        for depth in range(self.num_passes):
            for row_map in self._computed_in(depth, chosen):
                if row_map in chosen and self.depths[row_map] < depth:
                    work += size(row_map)  # read
                    last_read[row_map] = depth
                else:
                    work += _work(row_map) + 2 * size(row_map) * (row_map in chosen)
        return Costs(max(self._stored_after(last_read), default=0), work, last_read)

    def passes(self, chosen: Collection[RowMap]) -> list[Pass]:
        """The passes if these maps are stored."""
        last_read = self.costs(chosen).last_read
        return [
            Pass(
                measured=[one for one in self._of_depth(depth) if one.needs_moments],
                stored=[one for one in self._of_depth(depth) if one in chosen or one is self.root],
                pooled=[one for one in self.order if isinstance(one, Pooled) and self.depths[one.sources[0]] == depth],
                last_read=[one for one, last in last_read.items() if last == depth > self.depths[one]],
            )
            for depth in range(self.num_passes)
        ]

    def _of_depth(self, depth: int) -> list[RowMap]:
        return [row_map for row_map in self.order if self.depths[row_map] == depth]

    def _computed_in(self, depth: int, chosen: Collection[RowMap]) -> list[RowMap]:
        """The maps that a pass computes or, where they are stored, reads; the photo and pixels are left out."""
        needed = {
            row_map
            for row_map in self._of_depth(depth)
            if row_map.needs_moments or row_map in chosen or row_map is self.root
        }
        found = []
        for row_map in reversed(self.order):
            if row_map in needed and row_map.height > 1 and row_map.stored is None:
                found.append(row_map)
                if row_map not in chosen or self.depths[row_map] == depth:
                    needed.update(row_map.sources)
        return found

    def _stored_after(self, last_read: dict[RowMap, int]) -> list[int]:
        """The bytes that are stored after each pass."""
        return [
            sum(num_bytes(row_map) for row_map, last in last_read.items() if self.depths[row_map] <= depth < last)
            for depth in range(self.num_passes)
        ]

    def _stored_at_the_peak(self, chosen: Collection[RowMap]) -> list[RowMap]:
        last_read = self.costs(chosen).last_read
        stored = self._stored_after(last_read)
        peak = stored.index(max(stored))
        return [row_map for row_map in self.order if self.depths[row_map] <= peak < last_read.get(row_map, 0)]


def depths(order: Sequence[RowMap]) -> dict[RowMap, int]:
    """How many passes each map has to wait for; `order` is that of computing."""
    found: dict[RowMap, int] = {}
    for row_map in order:
        waits = isinstance(row_map, (Normalised, Pooled))  # for the pass that measures its source
        found[row_map] = max((found[source] for source in row_map.sources), default=0) + waits
    return found


def num_bytes(row_map: RowMap) -> int:
    """What a map takes where it is stored in float32."""
    return size(row_map) * 4


def size(row_map: RowMap) -> int:
    """The numbers of a map."""
    return row_map.channels * row_map.height * row_map.width


def _work(row_map: RowMap) -> float:
    """Of computing a map once, in numbers written and read."""
    return size(row_map) * (1 + row_map.products / _PRODUCTS_PER_NUMBER)
