"""Run the generator on a picture too large for one forward: strip by strip, with the whole picture's statistics.

The generator's forward is traced once on feature maps without values (inference.tracing). Then, from the photo on:

1. A map whose statistics a layer needs (IN, CBAM) is computed once, strip by strip, to measure it: a pass.
2. A map that several passes read is stored; those that are as high as the picture only where the memory allows
   (inference.strip_plan), as 64 of them at 12 megapixels are 3 GB. Other maps never exist as a whole.
3. Within a strip each map is computed once, for the rows that the strip needs of it: by torch, or on a CPU in float32
   by onnxruntime (inference.onnx_strips), which is faster.

The last pass computes the cartoon. Costs are in docs/cartoonize.md.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from cartoon_dist.inference.row_maps import Pooled, RowMap, RowRange
from cartoon_dist.inference.strip_plan import Pass, needed_rows, plan
from cartoon_dist.inference.tracing import ordered, trace
from cartoon_dist.tensors import Images

STRIP_PIXELS = 2**18
"""Pixels of the picture in a strip: 64 maps of it take 64 MB, and a halo of a few rows costs little beside it."""

PassProgress = Callable[[int, int], None]
"""Called with the number of passes done, and of all."""
StripFunction = Callable[[RowRange], Tensor | None]
"""Computes some rows of a pass's map, adds their moments, and gives the rows out where they are to be stored."""


def generate_in_strips(
    generator: nn.Module,
    photo: Images,
    *,
    rows: int | None = None,
    on_pass: PassProgress = lambda _done, _of: None,
    by_onnxruntime: bool = False,
) -> Images:
    """The generator's output on one photo, equal to its forward up to rounding, in a fraction of the memory.

    photo: 1 3 h w, both sides multiples of 4, at least 8 (ValueError). rows: of the picture in a strip; by default as
    many as hold STRIP_PIXELS. by_onnxruntime: for float32 on the CPU.
    """
    with torch.no_grad():
        root = trace(generator, photo)
        height = rows or max(16, STRIP_PIXELS // photo.shape[3] // 4 * 4)
        passes = deque(plan(root))
        num_passes, num_rows = len(passes), photo.shape[2]
        while passes:
            on_pass(num_passes - len(passes), num_passes)
            one_pass = passes.popleft()
            num_in_strip = max(1, height * one_pass.row_map.height // num_rows)
            _run(one_pass, num_in_strip, by_onnxruntime=by_onnxruntime)
    assert root.values is not None
    return root.values


def _run(one_pass: Pass, num_in_strip: int, *, by_onnxruntime: bool) -> None:
    row_map = one_pass.row_map
    if isinstance(row_map, Pooled):
        row_map.pool()
        return
    values: Tensor | None = None
    compute = _strip_function(one_pass, by_onnxruntime=by_onnxruntime)
    for first, end in _ranges(row_map.height, num_in_strip):
        strip = compute((first, end))
        if strip is not None:
            if values is None:
                values = strip.new_empty(1, row_map.channels, row_map.height, row_map.width)
            values[:, :, first:end] = strip
    if one_pass.is_stored:
        row_map.values = values
        row_map.release()


def _ranges(height: int, num_rows: int) -> Iterator[RowRange]:
    for first in range(0, height, num_rows):
        yield first, min(first + num_rows, height)


def _strip_function(one_pass: Pass, *, by_onnxruntime: bool) -> StripFunction:
    order = ordered([one_pass.row_map])
    if by_onnxruntime:
        # Takes a moment to import, and only drawing on a CPU needs it.
        from cartoon_dist.inference.onnx_strips import OnnxPass

        return OnnxPass(one_pass, order).strip

    def compute(rows: RowRange) -> Tensor | None:
        strip = _compute_rows(one_pass.row_map, rows, order)
        if one_pass.row_map.needs_moments:
            one_pass.row_map.moments.add(strip)
        return strip if one_pass.is_stored else None

    return compute


def _compute_rows(target: RowMap, rows: RowRange, order: Sequence[RowMap]) -> Tensor:
    """Rows of a map: first which rows are needed of each map below it, then each of these maps once."""
    needed = needed_rows(target, rows, order)
    readers = Counter(source for row_map in order if row_map.values is None for source in row_map.sources)
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
