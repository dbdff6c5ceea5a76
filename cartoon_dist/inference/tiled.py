"""Draw a picture that is too large for one forward: strip by strip, with the statistics of the whole picture.

The generator's forward is traced once on maps that are not there yet (evaluate.tracing). Then, from the photo on:

1. A map whose statistics somebody asks for (IN, CBAM) is made once, strip by strip, to measure it: a pass.
2. A map that several passes read is kept, unless it is as high as the picture: such maps are made again for each
   strip, as 64 of them at 12 megapixels are 3 GB. Others are never there as a whole.
3. Within a strip each map is made once, for the rows that the strip needs of it.

The last pass makes the drawing. Costs are in docs/cartoonize.md.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cartoon_dist.inference.row_maps import Pooled, RowMap, Rows
from cartoon_dist.inference.tracing import Traced, traced
from cartoon_dist.models.generator import Drawing
from cartoon_dist.tensors import Images

STRIP_PIXELS = 2**18
"""Pixels of the picture in a strip: 64 maps of it take 64 MB, and a halo of a few rows costs little beside it."""

Tell = Callable[[int, int], None]
"""How many passes are done, and of how many."""


def draw_in_strips(
    generator: nn.Module, photo: Images, *, rows: int | None = None, tell: Tell = lambda _done, _of: None
) -> Images:
    """What the generator draws of one photo, equal to its forward up to rounding, in a fraction of the memory.

    photo: 1 3 h w, both sides multiples of 4, at least 8 (ValueError). rows: of the picture in a strip; by default as
    many as hold STRIP_PIXELS.
    """
    with torch.no_grad():
        root = _trace(generator, photo)
        height = rows or max(16, STRIP_PIXELS // photo.shape[3])
        steps = deque(_plan(root))
        num_steps, num_rows = len(steps), photo.shape[2]
        while steps:
            tell(num_steps - len(steps), num_steps)
            step = steps.popleft()
            _do(step, rows=max(1, height * step.row_map.height // num_rows))
    assert root.held is not None
    return root.held


def _trace(generator: nn.Module, photo: Images) -> RowMap:
    _, channels, height, width = photo.shape
    source = RowMap((channels, height, width), [], held=photo)
    drawing: Drawing = generator(traced(source, photo.dtype))
    assert isinstance(drawing.generated, Traced)
    return drawing.generated.row_map


@dataclass(frozen=True)
class _Step:
    """A pass over a map, to measure it, to keep it or both; or, for a pooled pixel, to take it."""

    row_map: RowMap
    keep: bool


def _plan(root: RowMap) -> list[_Step]:
    """The passes in the order in which they can be done."""
    order = _ordered([root])
    reads = Counter(source for row_map in order if not isinstance(row_map, Pooled) for source in row_map.sources)
    full = root.height
    # What must be made anew to read a map: the kept maps that it is a cheap function of; None where it is not cheap.
    footing: dict[RowMap, frozenset[RowMap] | None] = {}
    steps = []
    for row_map in order:
        below = _footing(row_map, footing)
        is_shared = reads[row_map] + row_map.measured > 1
        saves = below is None or len(below) > 1
        keep = row_map is root or (1 < row_map.height < full and is_shared and saves)
        footing[row_map] = frozenset({row_map}) if keep or row_map.held is not None else below
        if keep or row_map.measured or isinstance(row_map, Pooled):
            steps.append(_Step(row_map, keep))
    return steps


def _footing(row_map: RowMap, known: dict[RowMap, frozenset[RowMap] | None]) -> frozenset[RowMap] | None:
    if row_map.height == 1:
        return frozenset()  # a pixel for the whole picture
    if not row_map.pointwise:
        return None
    below: frozenset[RowMap] = frozenset()
    for source in row_map.sources:
        if (more := known[source]) is None:
            return None
        below |= more
    return below


def _ordered(roots: Iterable[RowMap]) -> list[RowMap]:
    """The maps that these are made of and they themselves, sources first; what is held needs no sources."""
    order: dict[RowMap, None] = {}
    waiting = [(row_map, False) for row_map in roots]
    while waiting:
        row_map, is_ready = waiting.pop()
        if is_ready:
            order[row_map] = None
        elif row_map not in order:
            waiting.append((row_map, True))
            if row_map.held is None:
                waiting += [(source, False) for source in reversed(row_map.sources) if source not in order]
    return list(order)


def _do(step: _Step, *, rows: int) -> None:
    row_map = step.row_map
    if isinstance(row_map, Pooled):
        row_map.pool()
        return
    kept: Tensor | None = None
    for (first, end), strip in _strips(row_map, rows):
        if row_map.measured:
            row_map.moments.add(strip)
        if step.keep:
            if kept is None:
                kept = strip.new_empty(1, row_map.channels, row_map.height, row_map.width)
            kept[:, :, first:end] = strip
    if step.keep:
        row_map.held = kept
        row_map.release()


def _strips(row_map: RowMap, rows: int) -> Iterator[tuple[Rows, Tensor]]:
    order = _ordered([row_map])
    for first in range(0, row_map.height, rows):
        end = min(first + rows, row_map.height)
        yield (first, end), _made(row_map, (first, end), order)


def _made(target: RowMap, rows: Rows, order: list[RowMap]) -> Tensor:
    """Rows of a map: first what is needed of each map below it, then each of these once."""
    needed: dict[RowMap, Rows] = {target: rows}
    readers: Counter[RowMap] = Counter()
    for row_map in reversed(order):
        if row_map.held is not None:
            continue
        for source, (first, end) in zip(row_map.sources, row_map.needs(needed[row_map]), strict=True):
            before = needed.get(source, (first, end))
            needed[source] = (min(before[0], first), max(before[1], end))
            readers[source] += 1
    made: dict[RowMap, Tensor] = {}
    for row_map in order:
        first, end = needed[row_map]
        if row_map.held is not None:
            made[row_map] = row_map.held[:, :, first:end]
            continue
        given = []
        for source, (top, bottom) in zip(row_map.sources, row_map.needs((first, end)), strict=True):
            offset = needed[source][0]
            given.append(made[source][:, :, top - offset : bottom - offset])
            readers[source] -= 1
            if not readers[source]:
                del made[source]  # as soon as nobody needs it: a strip of a wide map is large
        made[row_map] = row_map.compute((first, end), given)
    return made[target]
