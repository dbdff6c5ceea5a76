"""Morphological reconstruction: opening and closing that leave the outline of what they keep untouched.

Vincent, "Morphological Grayscale Reconstruction in Image Analysis: Applications and Efficient Algorithms", IEEE
Transactions on Image Processing 1993: its hybrid algorithm, two scans and then a queue.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Map = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int32]


def by_dilation(seed: Map, mask: Map) -> Map:
    """Let the seed (h, w) spread to all eight neighbours, nowhere over the mask (h, w), until nothing changes.

    The seed must lie nowhere above the mask. float32 (h, w).
    """
    result = seed.astype(np.float32, order="C")
    _reconstruct(result, np.asarray(mask, np.float32, order="C"))
    return result


def by_erosion(seed: Map, mask: Map) -> Map:
    """Let the seed (h, w), nowhere below the mask (h, w), sink until nothing changes, nowhere under the mask."""
    return -by_dilation(-seed, -mask)


@njit(cache=True)
def _reconstruct(values: Map, mask: Map) -> None:
    """Spread `values` under the mask in place."""
    height, width = values.shape
    _scan(values, mask, 1)
    _scan(values, mask, -1)
    # A ring: each pixel waits in it at most once, so it cannot overflow.
    queue = np.empty(height * width, np.int32)
    waiting = np.zeros((height, width), np.bool_)
    first, size = 0, _raise_and_queue(values, mask, queue, waiting)
    while size > 0:
        y, x = queue[first] // width, queue[first] % width
        first, size = (first + 1) % len(queue), size - 1
        waiting[y, x] = False
        for to_y in range(max(0, y - 1), min(height, y + 2)):
            for to_x in range(max(0, x - 1), min(width, x + 2)):
                raised = min(values[y, x], mask[to_y, to_x])
                if raised > values[to_y, to_x]:
                    values[to_y, to_x] = raised
                    if not waiting[to_y, to_x]:
                        queue[(first + size) % len(queue)] = to_y * width + to_x
                        waiting[to_y, to_x] = True
                        size += 1


@njit(cache=True)
def _scan(values: Map, mask: Map, step: int) -> None:
    """One pass that raises each pixel to the highest of the four neighbours just left behind, not over the mask."""
    height, width = values.shape
    first_row, past_row = (0, height) if step > 0 else (height - 1, -1)
    first_column, past_column = (0, width) if step > 0 else (width - 1, -1)
    highest = np.empty(width, np.float32)
    for y in range(first_row, past_row, step):
        if 0 <= y - step < height:
            _highest_of_three(values[y - step], highest)
            _raise_row(values[y], mask[y], highest)
        carried = values[y, first_column]
        for x in range(first_column, past_column, step):
            carried = max(values[y, x], min(carried, mask[y, x]))
            values[y, x] = carried


@njit(cache=True)
def _raise_and_queue(values: Map, mask: Map, queue: Places, waiting: Mask) -> int:
    """Raise each pixel that still lies under a neighbour and its own mask, put it into the queue, and count them."""
    height, width = values.shape
    around, highest = np.empty(width, np.float32), np.empty(width, np.float32)
    size = 0
    for y in range(height):
        _highest_of_rows(values[max(0, y - 1)], values[y], values[min(height - 1, y + 1)], around)
        _highest_of_three(around, highest)
        for x in range(width):
            raised = min(highest[x], mask[y, x])
            if raised > values[y, x]:
                values[y, x] = raised
                waiting[y, x] = True
                queue[size] = y * width + x
                size += 1
    return size


# Knowing that there are no NaNs, the compiler takes eight minima or maxima at a time in what follows.


@njit(cache=True, fastmath={"nnan", "nsz"})
def _highest_of_three(row: Map, highest: Map) -> None:
    """Each value of a row (w,) or the one left or right of it."""
    last = len(row) - 1
    for x in range(last):
        highest[x] = max(row[x], row[x + 1])
    highest[last] = row[last]
    for x in range(last):
        highest[x + 1] = max(highest[x + 1], row[x])


@njit(cache=True, fastmath={"nnan", "nsz"})
def _highest_of_rows(above: Map, row: Map, below: Map, highest: Map) -> None:
    for x in range(len(row)):
        highest[x] = max(above[x], row[x], below[x])


@njit(cache=True, fastmath={"nnan", "nsz"})
def _raise_row(row: Map, mask: Map, highest: Map) -> None:
    for x in range(len(row)):
        row[x] = max(row[x], min(highest[x], mask[x]))
