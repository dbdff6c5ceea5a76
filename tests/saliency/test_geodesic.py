"""Paths, boundary connectivity and the solve, by hand and against Floyd and Warshall."""

import numpy as np
import pytest

from cartoon_dist.saliency.geodesic import (
    affinity,
    boundary_connectivity,
    geodesic_distances,
    optimize_saliency,
    pairwise_distances,
)


def test_distances_of_a_3_4_5_triangle() -> None:
    found = pairwise_distances(np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]]))
    np.testing.assert_allclose(found, [[0, 3, 5], [3, 0, 4], [5, 4, 0]])


@pytest.mark.parametrize("seed", range(5))
def test_geodesics_agree_with_floyd_and_warshall(seed: int) -> None:
    random = np.random.default_rng(seed)
    num = 30
    # Whole numbers, zero among them: links between superpixels of the same colour have no length.
    lengths = random.integers(0, 5, (num, num)).astype(float)
    lengths = np.minimum(lengths, lengths.T)
    linked = random.random((num, num)) < 0.1
    linked |= linked.T | np.eye(num, k=1, dtype=bool) | np.eye(num, k=-1, dtype=bool)
    np.fill_diagonal(linked, val=False)
    expected = np.where(linked, lengths, np.inf)
    np.fill_diagonal(expected, 0)
    for via in range(num):
        expected = np.minimum(expected, expected[:, [via]] + expected[[via]])
    np.testing.assert_array_equal(geodesic_distances(lengths, linked), expected)


def test_a_link_without_length_is_a_link() -> None:
    linked = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    lengths = np.array([[0, 0, 9], [0, 0, 2], [9, 2, 0]], float)
    np.testing.assert_array_equal(geodesic_distances(lengths, linked), [[0, 0, 2], [0, 0, 2], [2, 2, 0]])


def test_affinity_of_one_sigma() -> None:
    np.testing.assert_allclose(affinity(np.array([0.0, 7.0]), sigma=7), [1, np.exp(-0.5)])


def test_boundary_connectivity_is_length_by_root_of_area() -> None:
    # Two regions of 4 and 9 superpixels: 2 of the first lie at the border, none of the second.
    region = np.array([0] * 4 + [1] * 9)
    closeness = (region[:, None] == region[None]).astype(float)
    border = np.zeros(13, bool)
    border[:2] = True
    np.testing.assert_allclose(boundary_connectivity(closeness, border), [2 / 2] * 4 + [0 / 3] * 9)


def test_solve_finds_the_least_cost() -> None:
    random = np.random.default_rng(0)
    smoothness = random.random((6, 6))
    smoothness = np.triu(smoothness, 1) + np.triu(smoothness, 1).T
    background, foreground = random.random(6), random.random(6)

    def cost(saliency: np.ndarray) -> float:
        steps = np.square(saliency[:, None] - saliency[None])
        both = background @ np.square(saliency) + foreground @ np.square(saliency - 1)
        return float(both + (smoothness * steps).sum() / 2)

    found = optimize_saliency(smoothness=smoothness, background=background, foreground=foreground)
    for _ in range(50):
        assert cost(found) < cost(found + random.normal(0, 1e-3, 6))
