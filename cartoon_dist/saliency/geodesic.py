"""Distances along paths between superpixels, and what both variants of RBD make of them."""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from cartoon_dist.pixels.superpixels import Mask

Floats = npt.NDArray[np.float64]


def distances(points: Floats) -> Floats:
    """Euclidean distance between all pairs of points (n, c): (n, n)."""
    return np.sqrt(np.square(points[:, None] - points[None]).sum(axis=-1))


def geodesics(lengths: Floats, linked: Mask) -> Floats:
    """Length of the shortest path between all pairs of superpixels: (n, n), 0 on the diagonal.

    `lengths` (n, n) holds the length of each link, not negative, `linked` (n, n) which links there are; both symmetric.
    """
    # Sparse, as a link of length 0 counts there; in a dense matrix it would be taken for no link.
    starts, ends = np.nonzero(linked)
    links = coo_array((lengths[starts, ends], (starts, ends)), shape=lengths.shape).tocsr()
    return np.asarray(dijkstra(links, directed=True), np.float64)


def affinity(distance: Floats, *, sigma: float) -> Floats:
    """exp(-d^2 / 2 sigma^2): 1 for alike, near 0 beyond 3 sigma."""
    return np.exp(-np.square(distance) / (2 * sigma**2))


def boundary_connectivity(closeness: Floats, border: Mask) -> Floats:
    """How much of each superpixel's region lies along the border (RBD, Eqs 3-5): (n,).

    Row i of `closeness` (n, n) says how much each superpixel belongs to i's region; its sum is the region's area, the
    part from superpixels on the border its length there. Length / sqrt(area) does not change with the region's size.
    """
    length = closeness[:, border].sum(axis=1)
    return length / np.sqrt(closeness.sum(axis=1))


def solve(*, smoothness: Floats, background: Floats, foreground: Floats) -> Floats:
    """Saliency s (n,) of least cost (RBD, Eq 9).

    cost = sum_i background_i s_i^2 + sum_i foreground_i (s_i - 1)^2 + sum_{i<j} smoothness_ij (s_i - s_j)^2
    """
    laplacian = np.diag(smoothness.sum(axis=1)) - smoothness
    return np.asarray(np.linalg.solve(laplacian + np.diag(background + foreground), foreground), np.float64)
