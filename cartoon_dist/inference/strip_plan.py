"""Which maps of a traced forward are computed in which order, and which of them are stored within the memory."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cartoon_dist.inference.row_maps import Convolved, Pooled, RowMap, RowRange
from cartoon_dist.inference.tracing import ordered


@dataclass(frozen=True)
class Pass:
    """A pass over a map, to measure it, to store it or both; or, for a pooled pixel, to compute it."""

    row_map: RowMap
    is_stored: bool


def plan(root: RowMap) -> list[Pass]:
    """The passes in the order in which they can be done.

    Maps that several passes read are stored, unless they are as high as the picture. Of these, those are stored whose
    computing again would take longest, as long as no moment needs more memory than without them.
    """
    order = ordered([root])
    passes = _passes(root, order, [])
    limit, _ = _costs(passes)
    extra: list[RowMap] = []
    candidates = [row_map for row_map in order if row_map.height == root.height and row_map.sources]
    while True:
        best, (_, least) = None, _costs(passes)
        for candidate in candidates:
            if candidate is root or candidate in extra:
                continue
            memory, work = _costs(_passes(root, order, [*extra, candidate]))
            if memory <= limit and work < least:
                best, least = candidate, work
        if best is None:
            return passes
        extra.append(best)
        passes = _passes(root, order, extra)


def needed_rows(target: RowMap, rows: RowRange, order: Sequence[RowMap]) -> dict[RowMap, RowRange]:
    """The rows of each map that these rows of the target are computed from; `order` is that of its computing."""
    needed: dict[RowMap, RowRange] = {target: rows}
    for row_map in reversed(order):
        if row_map.values is not None:
            continue
        for source, (first, end) in zip(row_map.sources, row_map.needed_rows(needed[row_map]), strict=True):
            before = needed.get(source, (first, end))
            needed[source] = (min(before[0], first), max(before[1], end))
    return needed


def _passes(root: RowMap, order: Sequence[RowMap], extra: Collection[RowMap]) -> list[Pass]:
    reads = Counter(source for row_map in order if not isinstance(row_map, Pooled) for source in row_map.sources)
    full = root.height
    # The stored maps that a map is a cheap function of: it is computed from them again; None where it is not cheap.
    cheap_inputs: dict[RowMap, frozenset[RowMap] | None] = {}
    passes = []
    for row_map in order:
        inputs = _inputs_if_cheap(row_map, cheap_inputs)
        is_shared = reads[row_map] + row_map.needs_moments > 1
        saves_work = inputs is None or len(inputs) > 1
        is_stored = row_map is root or row_map in extra or (1 < row_map.height < full and is_shared and saves_work)
        cheap_inputs[row_map] = frozenset({row_map}) if is_stored or row_map.values is not None else inputs
        if is_stored or row_map.needs_moments or isinstance(row_map, Pooled):
            passes.append(Pass(row_map, is_stored))
    return passes


def _inputs_if_cheap(row_map: RowMap, known: dict[RowMap, frozenset[RowMap] | None]) -> frozenset[RowMap] | None:
    if row_map.height == 1:
        return frozenset()  # a pixel for the whole picture
    if not row_map.pointwise:
        return None
    inputs: frozenset[RowMap] = frozenset()
    for source in row_map.sources:
        if (more := known[source]) is None:
            return None
        inputs |= more
    return inputs


def _costs(passes: Sequence[Pass]) -> tuple[int, int]:
    """The most numbers that are stored at a time, and the multiplications of all passes."""
    stored = {one.row_map: index for index, one in enumerate(passes) if one.is_stored}
    last_read = dict(stored)
    work = 0
    for index, one in enumerate(passes):
        if isinstance(one.row_map, Pooled):
            continue
        waiting, seen = [one.row_map], {one.row_map}
        while waiting:
            row_map = waiting.pop()
            if isinstance(row_map, Convolved):
                work += row_map.weight[0].numel() * row_map.channels * row_map.height * row_map.width
            for source in row_map.sources:
                if source in seen:
                    continue
                seen.add(source)
                if stored.get(source, index) < index:
                    last_read[source] = index
                elif source.height > 1 and source.values is None:
                    waiting.append(source)
    peak = max(
        sum(
            row_map.channels * row_map.height * row_map.width
            for row_map, begun in stored.items()
            if begun <= index <= last_read[row_map]
        )
        for index in range(len(passes))
    )
    return peak, work
