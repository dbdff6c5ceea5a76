"""Makes superpixels connected: separates the pieces of a SLIC superpixel; small ones join a similar neighbour."""

import numpy as np
import numpy.typing as npt
from numba import njit

from cartoon_dist.superpixels.lab import Lab

Labels = npt.NDArray[np.int32]
PixelPositions = npt.NDArray[np.int32]
"""(n, 2): rows and columns of pixels, those of a piece one after another."""
Indices = npt.NDArray[np.intp]
Sums = npt.NDArray[np.float64]
"""(num, 4): of each piece the number of pixels and the sums of L, a and b."""


def enforce_connectivity(labels: Labels, lab: Lab, least_pixels: float) -> Labels:
    """Make each superpixel one piece: int32 (h, w), each number a 4-connected piece of one in `labels`.

    In the order of their topmost pixels, pieces of fewer than `least_pixels` join the neighbour whose mean colour in
    the Lab picture (h, w, 3) is nearest to theirs, until no small piece is left, except the whole picture. SLIC's
    authors take the first neighbour; that mixes colours, and RBD's results get worse. Some numbers may stay unused.
    """
    pieces, pixels, starts = _connected_components(np.asarray(labels, np.int32, order="C"))
    sums = _sums(pixels, starts, np.asarray(lab, np.float32, order="C"))
    owners = np.arange(len(sums))
    while _merge_small_pieces(pieces, pixels, starts, sums, owners, least_pixels):
        pass
    return _owner_of_each(owners)[pieces]


@njit(cache=True)
def _connected_components(labels: Labels) -> tuple[Labels, PixelPositions, Indices]:
    """Number the pieces in the order of their topmost pixels: (h, w); their pixels, and where each piece's begin."""
    height, width = labels.shape
    pieces = np.full((height, width), np.int32(-1), np.int32)
    pixels = np.empty((height * width, 2), np.int32)
    starts = np.zeros(height * width + 1, np.intp)
    piece, end = 0, 0
    for first_y in range(height):
        for first_x in range(width):
            if pieces[first_y, first_x] >= 0:
                continue
            pieces[first_y, first_x] = piece
            pixels[end, 0], pixels[end, 1] = first_y, first_x
            visited, end = end, end + 1
            while visited < end:
                y, x = pixels[visited, 0], pixels[visited, 1]
                visited += 1
                for step_y, step_x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    to_y, to_x = y + step_y, x + step_x
                    inside = 0 <= to_y < height and 0 <= to_x < width
                    if inside and pieces[to_y, to_x] < 0 and labels[to_y, to_x] == labels[y, x]:
                        pieces[to_y, to_x] = piece
                        pixels[end, 0], pixels[end, 1] = to_y, to_x
                        end += 1
            piece += 1
            starts[piece] = end
    return pieces, pixels, starts[: piece + 1]


@njit(cache=True)
def _sums(pixels: PixelPositions, starts: Indices, lab: Lab) -> Sums:
    sums = np.zeros((len(starts) - 1, 4))
    for piece in range(len(sums)):
        for index in range(starts[piece], starts[piece + 1]):
            sums[piece, 0] += 1
            for channel in range(3):
                sums[piece, 1 + channel] += lab[pixels[index, 0], pixels[index, 1], channel]
    return sums


@njit(cache=True)
def _merge_small_pieces(
    pieces: Labels, pixels: PixelPositions, starts: Indices, sums: Sums, owners: Indices, least_pixels: float
) -> bool:
    """Let each small piece join a neighbour once, in place; whether any did. What is still small is handled in the next
    round."""
    joined = False
    for piece in range(len(sums)):
        owner = _owner(owners, piece)
        if sums[owner, 0] < least_pixels:
            onto = _most_similar_neighbour(pieces, pixels[starts[piece] : starts[piece + 1]], sums, owners, owner)
            if onto >= 0:
                owners[owner] = onto
                sums[onto] += sums[owner]
                joined = True
    return joined


@njit(cache=True)
def _most_similar_neighbour(pieces: Labels, pixels: PixelPositions, sums: Sums, owners: Indices, owner: int) -> int:
    """Of the pieces that touch these pixels, other than their owner, that of the nearest mean colour; -1 for none."""
    height, width = pieces.shape
    best, least = -1, np.inf
    for index in range(len(pixels)):
        for step_y, step_x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            y, x = pixels[index, 0] + step_y, pixels[index, 1] + step_x
            if 0 <= y < height and 0 <= x < width:
                other = _owner(owners, pieces[y, x])
                if other != owner:
                    distance = 0.0
                    for channel in range(1, 4):
                        distance += (sums[other, channel] / sums[other, 0] - sums[owner, channel] / sums[owner, 0]) ** 2
                    if distance < least:
                        best, least = other, distance
    return best


@njit(cache=True)
def _owner(owners: Indices, piece: int) -> int:
    """The piece that this one now belongs to, after all joins (union-find root)."""
    while owners[piece] != piece:
        piece = owners[piece]
    return piece


@njit(cache=True)
def _owner_of_each(owners: Indices) -> Labels:
    roots = np.empty(len(owners), np.int32)
    for piece in range(len(owners)):
        roots[piece] = _owner(owners, piece)
    return roots
