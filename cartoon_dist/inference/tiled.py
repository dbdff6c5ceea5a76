"""Run the generator on a picture too large for one forward: strip by strip, with the whole picture's statistics.

The generator's forward is traced once on feature maps without values (inference.tracing). Then, from the photo on:

1. A map whose statistics a layer needs (IN, CBAM) is computed once, strip by strip, to measure it: a pass.
2. A map that several passes read is stored, unless it is as high as the picture: such maps are computed again for each
   strip, as 64 of them at 12 megapixels are 3 GB. Other maps never exist as a whole.
3. Within a strip each map is computed once, for the rows that the strip needs of it.

The last pass computes the cartoon. Costs are in docs/cartoonize.md.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cartoon_dist.inference.row_maps import Pooled, RowMap, RowRange
from cartoon_dist.inference.tracing import Traced, traced
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import Images

STRIP_PIXELS = 2**18
"""Pixels of the picture in a strip: 64 maps of it take 64 MB, and a halo of a few rows costs little beside it."""

PassProgress = Callable[[int, int], None]
"""Called with the number of passes done, and of all."""


def generate_in_strips(
    generator: nn.Module, photo: Images, *, rows: int | None = None, on_pass: PassProgress = lambda _done, _of: None
) -> Images:
    """The generator's output on one photo, equal to its forward up to rounding, in a fraction of the memory.

    photo: 1 3 h w, both sides multiples of 4, at least 8 (ValueError). rows: of the picture in a strip; by default as
    many as hold STRIP_PIXELS.
    """
    with torch.no_grad():
        root = _trace(generator, photo)
        height = rows or max(16, STRIP_PIXELS // photo.shape[3])
        passes = deque(_plan(root))
        num_passes, num_rows = len(passes), photo.shape[2]
        while passes:
            on_pass(num_passes - len(passes), num_passes)
            one_pass = passes.popleft()
            _run(one_pass, rows=max(1, height * one_pass.row_map.height // num_rows))
    assert root.values is not None
    return root.values


def _trace(generator: nn.Module, photo: Images) -> RowMap:
    _, channels, height, width = photo.shape
    source = RowMap((channels, height, width), [], values=photo)
    output: GeneratorOutput = generator(traced(source, photo.dtype))
    assert isinstance(output.generated, Traced)
    return output.generated.row_map


@dataclass(frozen=True)
class _Pass:
    """A pass over a map, to measure it, to store it or both; or, for a pooled pixel, to compute it."""

    row_map: RowMap
    is_stored: bool


def _plan(root: RowMap) -> list[_Pass]:
    """The passes in the order in which they can be done."""
    order = _ordered([root])
    reads = Counter(source for row_map in order if not isinstance(row_map, Pooled) for source in row_map.sources)
    full = root.height
    # The stored maps that a map is a cheap function of: it is computed from them again; None where it is not cheap.
    cheap_inputs: dict[RowMap, frozenset[RowMap] | None] = {}
    passes = []
    for row_map in order:
        inputs = _inputs_if_cheap(row_map, cheap_inputs)
        is_shared = reads[row_map] + row_map.needs_moments > 1
        saves_work = inputs is None or len(inputs) > 1
        is_stored = row_map is root or (1 < row_map.height < full and is_shared and saves_work)
        cheap_inputs[row_map] = frozenset({row_map}) if is_stored or row_map.values is not None else inputs
        if is_stored or row_map.needs_moments or isinstance(row_map, Pooled):
            passes.append(_Pass(row_map, is_stored))
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


def _ordered(roots: Iterable[RowMap]) -> list[RowMap]:
    """These maps and all they are computed from, sources first; a map that is stored needs no sources."""
    order: dict[RowMap, None] = {}
    waiting = [(row_map, False) for row_map in roots]
    while waiting:
        row_map, is_ready = waiting.pop()
        if is_ready:
            order[row_map] = None
        elif row_map not in order:
            waiting.append((row_map, True))
            if row_map.values is None:
                waiting += [(source, False) for source in reversed(row_map.sources) if source not in order]
    return list(order)


def _run(one_pass: _Pass, *, rows: int) -> None:
    row_map = one_pass.row_map
    if isinstance(row_map, Pooled):
        row_map.pool()
        return
    values: Tensor | None = None
    for (first, end), strip in _strips(row_map, rows):
        if row_map.needs_moments:
            row_map.moments.add(strip)
        if one_pass.is_stored:
            if values is None:
                values = strip.new_empty(1, row_map.channels, row_map.height, row_map.width)
            values[:, :, first:end] = strip
    if one_pass.is_stored:
        row_map.values = values
        row_map.release()


def _strips(row_map: RowMap, rows: int) -> Iterator[tuple[RowRange, Tensor]]:
    order = _ordered([row_map])
    for first in range(0, row_map.height, rows):
        end = min(first + rows, row_map.height)
        yield (first, end), _compute_rows(row_map, (first, end), order)


def _compute_rows(target: RowMap, rows: RowRange, order: list[RowMap]) -> Tensor:
    """Rows of a map: first which rows are needed of each map below it, then each of these maps once."""
    needed: dict[RowMap, RowRange] = {target: rows}
    readers: Counter[RowMap] = Counter()
    for row_map in reversed(order):
        if row_map.values is not None:
            continue
        for source, (first, end) in zip(row_map.sources, row_map.needed_rows(needed[row_map]), strict=True):
            before = needed.get(source, (first, end))
            needed[source] = (min(before[0], first), max(before[1], end))
            readers[source] += 1
    computed: dict[RowMap, Tensor] = {}
    for row_map in order:
        first, end = needed[row_map]
        if row_map.values is not None:
            computed[row_map] = row_map.values[:, :, first:end]
            continue
        source_rows = []
        for source, (top, bottom) in zip(row_map.sources, row_map.needed_rows((first, end)), strict=True):
            offset = needed[source][0]
            source_rows.append(computed[source][:, :, top - offset : bottom - offset])
            readers[source] -= 1
            if not readers[source]:
                del computed[source]  # as soon as it is not needed: a strip of a wide map is large
        computed[row_map] = row_map.compute((first, end), source_rows)
    return computed[target]
