"""Distances along paths between superpixels, and the steps that both variants of RBD compute from them."""

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import linalg

from cartoon_dist.saliency.picture import Floating
from cartoon_dist.superpixels.regions import Mask

Floats = npt.NDArray[np.floating]
Matrix = npt.NDArray[np.float32]
"""(n, n): a value for each pair of superpixels. With a few hundred superpixels these matrices take most of the time."""


def pairwise_distances(points: Floats) -> Matrix:
    """Euclidean distance between all pairs of points (n, c): (n, n)."""
    return _pairwise_distances(np.asarray(points, np.float64, order="C"))


def geodesic_distances(lengths: Matrix, linked: Mask) -> Matrix:
    """Length of the shortest path between all pairs of superpixels: (n, n), 0 on the diagonal.

    `lengths` (n, n) holds the length of each link, not negative, `linked` (n, n) which links there are; both symmetric.
    """
    shortest = np.where(linked, lengths, np.inf).astype(np.float32)
    np.fill_diagonal(shortest, 0)
    _floyd_warshall(shortest)
    return shortest


@njit(cache=True)
def _pairwise_distances(points: Floats) -> Matrix:
    num = len(points)
    result = np.zeros((num, num), np.float32)
    for i in range(num):
        for j in range(i):
            total = 0.0
            for part in range(points.shape[1]):
                total += (points[i, part] - points[j, part]) ** 2
            result[i, j] = result[j, i] = np.sqrt(total)
    return result


@njit(cache=True, fastmath={"nnan", "nsz"})
def _floyd_warshall(shortest: Matrix) -> None:
    """Floyd and Warshall: let paths go through one more superpixel at a time, in the lower triangle only.

    With all pairs on the border linked there are so many links that this, n^3 / 2 of the simplest steps, is faster
    than a search from each superpixel. There are no NaNs, and knowing it the compiler takes minima without branches.
    """
    num = len(shortest)
    to_via = np.empty(num, np.float32)
    for via in range(num):
        for i in range(num):
            to_via[i] = shortest[via, i] if i < via else shortest[i, via]
        for i in range(np.uint64(num)):
            first = to_via[i]
            if first < np.inf:
                for j in range(i):
                    length = first + to_via[j]
                    shortest[i, j] = length if length < shortest[i, j] else shortest[i, j]
    for i in range(num):
        for j in range(i):
            shortest[j, i] = shortest[i, j]


def affinity(distance: npt.NDArray[Floating], *, sigma: float) -> npt.NDArray[Floating]:
    """exp(-d^2 / 2 sigma^2): 1 for alike, near 0 beyond 3 sigma."""
    return np.asarray(np.exp(np.square(distance) * distance.dtype.type(-1 / (2 * sigma**2))), distance.dtype)


def boundary_connectivity(closeness: Floats, border: Mask) -> Floats:
    """How much of each superpixel's region lies along the border (RBD, Eqs 3-5): (n,).

    Row i of `closeness` (n, n) says how much each superpixel belongs to i's region; its sum is the region's area, the
    part from superpixels on the border its length there. Length / sqrt(area) does not change with the region's size.
    """
    length = closeness @ border.astype(closeness.dtype)
    return length.astype(np.float64) / np.sqrt(closeness.sum(axis=1))


def optimize_saliency(*, smoothness: Floats, background: Floats, foreground: Floats) -> Floats:
    """Saliency s (n,) of least cost (RBD, Eq 9).

    cost = sum_i background_i s_i^2 + sum_i foreground_i (s_i - 1)^2 + sum_{i<j} smoothness_ij (s_i - s_j)^2
    """
    system = -smoothness.astype(np.float64)
    system[np.diag_indices_from(system)] += smoothness.sum(axis=1, dtype=np.float64) + background + foreground
    # Positive definite: each superpixel is linked to the border's, and those have some background in them.
    factor = linalg.cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(linalg.cho_solve(factor, foreground, check_finite=False), np.float64)
