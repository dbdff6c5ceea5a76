"""SLIC: cuts a photo into patches of similar colour, compiled.

Achanta, Shaji, Smith, Lucchi, Fua, Süsstrunk, "SLIC Superpixels Compared to State-of-the-art Superpixel Methods",
TPAMI 2012: k-means in colour and position, each centre competing only for the pixels near it. Written from the paper.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from cartoon_dist.superpixels.lab import Lab

Labels = npt.NDArray[np.int32]
Planes = npt.NDArray[np.float32]
"""(3, h, w): L, a and b."""
Centres = npt.NDArray[np.float32]
"""(num, 5): L, a, b, row and column of each."""

_COARSE_ROUNDS, _FINE_ROUNDS = 8, 2
"""Rounds on every second row and column, a quarter of the work, and then on all pixels; the paper makes 10 on all.

A quarter of the pixels is enough to find the centres; only the outlines need all pixels.
"""
_SEARCH_RADIUS_CELLS = 1.5
"""How far from a centre its pixels may lie, in cells; the paper's 1 cuts parts off flat areas and thin things."""
_MIN_COARSE_SIDE = 6
"""Cells with a shorter side have too few pixels for the coarse rounds."""
_NO_CENTRE = np.int32(2**31 - 1)
"""No centre yet: larger than any distance."""


def slic(lab: Lab, *, num_segments: int, compactness: float) -> Labels:
    """The superpixel's number for each pixel of a Lab picture (h, w, 3): int32 (h, w); some numbers may be unused.

    There are about `num_segments`, never more than pixels. D^2 = colour distance^2 + (compactness * distance / S)^2
    (Eq 3), where S is the side of a square of the usual size. One may have several pieces; see connectivity.py.
    """
    height, width = lab.shape[:2]
    rows, columns = _grid(height, width, num_segments)
    centres = np.zeros((rows * columns, 5), np.float32)
    _update_centres(
        np.ascontiguousarray(np.moveaxis(lab, -1, 0)), _initial_labels(height, width, rows, columns), centres
    )
    coarse = min(height // rows, width // columns) >= _MIN_COARSE_SIDE
    if coarse:
        centres[:, 3:] /= 2
        _iterate(lab[::2, ::2], centres, (rows, columns), compactness, _COARSE_ROUNDS)
        centres[:, 3:] *= 2
    return _iterate(
        lab, centres, (rows, columns), compactness, _FINE_ROUNDS if coarse else _COARSE_ROUNDS + _FINE_ROUNDS
    )


def _iterate(lab: Lab, centres: Centres, grid: tuple[int, int], compactness: float, rounds: int) -> Labels:
    """Assign pixels and move the centres, in place, so many times; the last assignment is returned."""
    (height, width), (rows, columns) = lab.shape[:2], grid
    labels = _initial_labels(height, width, rows, columns)
    weight = np.float32(compactness**2 * rows * columns / (height * width))
    reach = np.array(
        [np.ceil(_SEARCH_RADIUS_CELLS * height / rows), np.ceil(_SEARCH_RADIUS_CELLS * width / columns)], np.int32
    )
    planes = np.ascontiguousarray(np.moveaxis(lab, -1, 0))
    for _ in range(rounds):
        _assign(planes, centres, reach, weight, labels)
        _update_centres(planes, labels, centres)
    return labels


def _initial_labels(height: int, width: int, rows: int, columns: int) -> Labels:
    """The cell of the grid that each pixel lies in, row by row: int32 (h, w)."""
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    return (down[:, None] * columns + across[None]).astype(np.int32)


def _grid(height: int, width: int, num_segments: int) -> tuple[int, int]:
    """Rows and columns of the seeds: cells about square, their number near the one asked for also in a thin strip."""
    columns = _rounded_within(width * np.sqrt(num_segments / (height * width)), width)
    rows = _rounded_within(num_segments / columns, height)
    return rows, _rounded_within(num_segments / rows, width)


def _rounded_within(count: float, most: int) -> int:
    return max(1, min(most, round(count)))


@njit(cache=True)
def _assign(planes: Planes, centres: Centres, reach: npt.NDArray[np.int32], weight: np.float32, labels: Labels) -> None:
    """Give each pixel to the nearest of the centres within reach; where none is, it keeps the one it had.

    A distance that is not negative keeps its order when its bits are read as an integer. So the lowest bits can hold
    the centre's number, and the least of these integers says which one is nearest without a branch or a second array.
    """
    height, width = labels.shape
    numbers = np.int32(1)
    while numbers < len(centres):
        numbers *= np.int32(2)
    numbers -= np.int32(1)
    nearest = np.full((height, width), _NO_CENTRE, np.int32)
    across = np.empty(width, np.float32)
    for number in range(len(centres)):
        own_number, centre = np.int32(number), centres[number]
        centre_l, centre_a, centre_b, centre_y, centre_x = centre[0], centre[1], centre[2], centre[3], centre[4]
        # Unsigned: only where no index can be negative does the compiler take eight pixels at a time.
        top, bottom = np.uint64(max(0, int(centre_y) - reach[0])), np.uint64(min(height, int(centre_y) + reach[0] + 1))
        left, right = np.uint64(max(0, int(centre_x) - reach[1])), np.uint64(min(width, int(centre_x) + reach[1] + 1))
        for x in range(left, right):
            aside = np.float32(x) - centre_x
            across[x] = weight * aside * aside
        for y in range(top, bottom):
            below = np.float32(y) - centre_y
            down = weight * below * below
            for x in range(left, right):
                off_l, off_a, off_b = planes[0, y, x] - centre_l, planes[1, y, x] - centre_a, planes[2, y, x] - centre_b
                distance = off_l * off_l + off_a * off_a + off_b * off_b + (across[x] + down)
                candidate = (np.float32(distance).view(np.int32) & ~numbers) | own_number
                nearest[y, x] = candidate if candidate < nearest[y, x] else nearest[y, x]
    for y in range(height):
        for x in range(width):
            labels[y, x] = nearest[y, x] & numbers if nearest[y, x] != _NO_CENTRE else labels[y, x]


@njit(cache=True)
def _update_centres(planes: Planes, labels: Labels, centres: Centres) -> None:
    """Move each centre to the mean of its pixels; one that has lost them all stays where it is."""
    height, width = labels.shape
    totals = np.zeros((len(centres), 6))
    for y in range(height):
        start = 0
        while start < width:
            # Pixel by pixel, each addition would wait for the one before to reach the memory and come back.
            number, stop = labels[y, start], start
            sum_l, sum_a, sum_b = 0.0, 0.0, 0.0
            while stop < width and labels[y, stop] == number:
                sum_l += planes[0, y, stop]
                sum_a += planes[1, y, stop]
                sum_b += planes[2, y, stop]
                stop += 1
            run, total = stop - start, totals[number]
            total[0] += sum_l
            total[1] += sum_a
            total[2] += sum_b
            total[3] += y * run
            total[4] += (start + stop - 1) / 2 * run
            total[5] += run
            start = stop
    for number in range(len(centres)):
        if totals[number, 5] > 0:
            for part in range(5):
                centres[number, part] = totals[number, part] / totals[number, 5]
