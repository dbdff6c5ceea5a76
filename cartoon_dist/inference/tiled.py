"""Run the generator on a picture too large for one forward: strip by strip, with the whole picture's statistics.

The generator's forward is traced once on feature maps without values (inference.tracing). Then, from the photo on:

1. Maps whose statistics a layer needs (IN, CBAM) are measured, strip by strip: those that wait for equally many other
   statistics in one pass over the picture (inference.strip_plan).
2. Maps that later passes need are stored as far as they find place in the memory. Other maps never exist as a whole:
   64 of the picture's size are 3 GB at 12 megapixels.
3. Within a strip each map is computed once, for the rows that the strip needs of it: by torch, or on a CPU in float32
   by onnxruntime (inference.onnx_strips), which is faster; then several strips at a time, in threads.

The last pass computes the cartoon. Costs are in docs/cartoonize.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from cartoon_dist.cpu.beside import map_ahead
from cartoon_dist.inference.moments import Moments
from cartoon_dist.inference.row_maps import RowMap, RowRange
from cartoon_dist.inference.stored_rows import RowMemory, StoredRows
from cartoon_dist.inference.strip_plan import Computed, Pass, Strip, plan, strip_of
from cartoon_dist.inference.tracing import trace
from cartoon_dist.tensors import Bytes, Images

STRIP_PIXELS = 2**18
"""Pixels of the picture in the strips that are computed at a time: 64 maps of it take 64 MB, and a halo of a few rows
costs little beside it."""

MAX_AT_ONCE = 2
"""Strips that threads compute at a time; each takes its share of the processor's threads and of STRIP_PIXELS."""

PassProgress = Callable[[int, int], None]
"""Called with the number of passes done, and of all."""


StripFunction = Callable[[Strip], Computed]


def generate_in_strips(
    generator: nn.Module,
    photo: Images | Bytes,
    *,
    rows: int | None = None,
    on_pass: PassProgress = lambda _done, _of: None,
    by_onnxruntime: bool = False,
) -> Images:
    """The generator's output on one photo, equal to its forward up to rounding, in a fraction of the memory.

    photo: 1 3 h w, both sides multiples of 4, at least 8 (ValueError). rows: of the picture in a strip; by default as
    many as hold STRIP_PIXELS. by_onnxruntime: for float32 on the CPU; the photo may be bytes then.
    """
    with torch.no_grad():
        root = trace(generator, photo)
        height = photo.shape[2]
        at_once = min(MAX_AT_ONCE, torch.get_num_threads()) if by_onnxruntime else 1
        num_in_strip = rows or max(16, STRIP_PIXELS // at_once // photo.shape[3] // 4 * 4)
        ranges = [(first, min(first + num_in_strip, height)) for first in range(0, height, num_in_strip)]
        passes, memory = plan(root), RowMemory() if by_onnxruntime else None
        with ThreadPoolExecutor(at_once) if at_once > 1 else nullcontext() as pool:
            for number, one_pass in enumerate(passes):
                on_pass(number, len(passes))
                compute = _strip_function(one_pass, memory, at_once)
                strips = list(_strips(one_pass, ranges, height))
                kept = {row_map: StoredRows(memory=memory) for row_map in one_pass.stored}
                _run(one_pass, strips, map_ahead(compute, strips, pool, cost=lambda _: 1.0, max_cost=at_once), kept)
    assert root.stored is not None
    return root.stored.read((0, height))


def _run(
    one_pass: Pass, strips: Sequence[Strip], all_computed: Iterator[Computed], kept: Mapping[RowMap, StoredRows]
) -> None:
    """One pass over a picture in these strips; their results come in order."""
    for number, (strip, computed) in enumerate(zip(strips, all_computed, strict=True)):
        for row_map, moments in computed.moments.items():
            row_map.moments.merge(moments)
        for row_map, values in computed.rows.items():
            kept[row_map].append(strip.targets[row_map][0], values)
        for row_map in one_pass.last_read:
            if row_map.stored is not None:
                later = [strip.needed[row_map][0] for strip in strips[number + 1 :] if row_map in strip.needed]
                row_map.stored.give_up_above(min(later, default=row_map.height))
    for row_map, stored in kept.items():
        row_map.keep(stored)
    for pixel in one_pass.pooled:
        pixel.pool()


def _strips(one_pass: Pass, ranges: Sequence[RowRange], height: int) -> Iterator[Strip]:
    """The strips of a pass, each with the targets that have rows in it: a smaller map has fewer."""
    for first, end in ranges:
        rows = {row_map: tuple(row_map.height * row // height for row in (first, end)) for row_map in one_pass.targets}
        targets = {row_map: (top, bottom) for row_map, (top, bottom) in rows.items() if top < bottom}
        if targets:
            yield strip_of(targets)


def _strip_function(one_pass: Pass, memory: RowMemory | None, at_once: int) -> StripFunction:
    """By onnxruntime where there is a memory, else by torch."""
    if memory is not None:
        # Takes a moment to import, and only drawing on a CPU needs it.
        from cartoon_dist.inference.onnx_strips import OnnxPass

        return OnnxPass(one_pass, memory, at_once).strip

    def compute(strip: Strip) -> Computed:
        computed = _compute_rows(strip)
        moments = {row_map: Moments.of(computed[row_map]) for row_map in one_pass.measured if row_map in computed}
        return Computed({row_map: computed[row_map] for row_map in one_pass.stored if row_map in computed}, moments)

    return compute


def _compute_rows(strip: Strip) -> dict[RowMap, Tensor]:
    """The targets' rows: each map below them is computed once."""
    readers = Counter(source for row_map in strip.order if row_map.stored is None for source in row_map.sources)
    readers.update(list(strip.targets))
    computed: dict[RowMap, Tensor] = {}
    for row_map in strip.order:
        first, end = strip.needed[row_map]
        if row_map.stored is not None:
            computed[row_map] = row_map.stored.read((first, end))
            continue
        source_rows = []
        for source, (top, bottom) in zip(row_map.sources, row_map.needed_rows((first, end)), strict=True):
            offset = strip.needed[source][0]
            source_rows.append(computed[source][:, :, top - offset : bottom - offset])
            readers[source] -= 1
            if not readers[source]:
                del computed[source]  # as soon as it is not needed: a strip of a wide map is large
        computed[row_map] = row_map.compute((first, end), source_rows)
    return {
        row_map: computed[row_map][:, :, first - strip.needed[row_map][0] : end - strip.needed[row_map][0]]
        for row_map, (first, end) in strip.targets.items()
    }
