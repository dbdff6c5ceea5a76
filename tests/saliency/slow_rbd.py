"""RBD once more, superpixel by superpixel and as slowly as it is written down, to hold the real one against."""

import heapq
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
Picture = npt.NDArray[np.uint8]
Links = list[set[int]]
Weight = Callable[[int, int], float]


def members(labels: Labels) -> list[npt.NDArray[np.bool_]]:
    return [labels == number for number in range(labels.max() + 1)]


def centres(labels: Labels) -> list[tuple[float, float]]:
    return [(np.nonzero(mask)[0].mean(), np.nonzero(mask)[1].mean()) for mask in members(labels)]


def neighbours(labels: Labels) -> Links:
    found: Links = [set() for _ in range(labels.max() + 1)]
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            for other_y, other_x in ((y + 1, x), (y, x + 1)):
                if other_y < height and other_x < width and labels[y, x] != labels[other_y, other_x]:
                    found[labels[y, x]].add(int(labels[other_y, other_x]))
                    found[labels[other_y, other_x]].add(int(labels[y, x]))
    return found


def border(labels: Labels, band: int) -> set[int]:
    height, width = labels.shape
    return {
        int(labels[y, x])
        for y in range(height)
        for x in range(width)
        if min(y, x, height - 1 - y, width - 1 - x) < band
    }


def with_border_linked(links: Links, on_border: set[int]) -> Links:
    return [link | (on_border - {number} if number in on_border else set()) for number, link in enumerate(links)]


def shortest_paths(links: Links, length: Weight) -> Floats:
    found = np.full((len(links), len(links)), np.inf)
    for start in range(len(links)):
        queue = [(0.0, start)]
        while queue:
            distance, at = heapq.heappop(queue)
            if distance < found[start, at]:
                found[start, at] = distance
                for to in links[at]:
                    heapq.heappush(queue, (distance + length(at, to), to))
    return found


def gauss(distance: float, sigma: float, cut: float = math.inf) -> float:
    return math.exp(-(distance**2) / (2 * sigma**2)) if distance <= cut * sigma else 0.0


def connectivity(paths: Floats, on_border: set[int], sigma: float, cut: float = math.inf) -> list[float]:
    found = []
    for row in paths:
        area = sum(gauss(distance, sigma, cut) for distance in row)
        length = sum(gauss(row[number], sigma, cut) for number in on_border)
        found.append(length / math.sqrt(area))
    return found


def stretched(values: list[float]) -> list[float]:
    return [(value - min(values)) / (max(values) - min(values)) for value in values]


def optimum(links: Links, smoothness: Weight, background: list[float], foreground: list[float]) -> Floats:
    """The s at which the cost's derivative is zero: b_i s_i + f_i (s_i - 1) + sum_j w_ij (s_i - s_j) = 0."""
    system = np.zeros((len(links), len(links)))
    for i, link in enumerate(links):
        system[i, i] += background[i] + foreground[i]
        for j in link:
            system[i, i] += smoothness(i, j)
            system[i, j] -= smoothness(i, j)
    return np.linalg.lstsq(system, np.array(foreground), rcond=None)[0]


def slow_public(photo: Picture, labels: Labels) -> Floats:
    lab = rgb2lab(photo)
    colours = [lab[mask].mean(axis=0) for mask in members(labels)]
    links, on_border, places = neighbours(labels), border(labels, 1), centres(labels)
    paths = shortest_paths(with_border_linked(links, on_border), lambda i, j: math.dist(colours[i], colours[j]))
    background = [1 - gauss(value, 1) for value in connectivity(paths, on_border, 10)]
    diagonal, every = math.hypot(*labels.shape), range(len(links))
    contrast = [
        sum(paths[i, j] * gauss(math.dist(places[i], places[j]) / diagonal, 0.25) * background[j] for j in every)
        for i in every
    ]
    return optimum(links, lambda i, j: gauss(paths[i, j], 10) + 0.1, background, stretched(contrast))


def slow_author(photo: Picture, labels: Labels) -> Floats:
    colours = [rgb2lab((photo[mask].mean(axis=0) / 255)[None, None])[0, 0] for mask in members(labels)]
    links, on_border = neighbours(labels), border(labels, 8)
    every = range(len(links))
    two = [(link | set().union(*(links[j] for j in link))) - {i} for i, link in enumerate(links)]

    def colour(i: int, j: int) -> float:
        return math.dist(colours[i], colours[j])

    nearest = np.mean([min(colour(i, j) for j in links[i]) for i in every])
    clip = np.mean([min(colour(i, j) for j in two[i]) for i in every])
    descending = sorted((colour(i, j) for i in every for j in every), reverse=True)
    top = np.mean(descending[: int(0.01 * len(descending))])
    path_sigma = max(5, min(10, 3 * nearest, top / 10))
    near_sigma = min(3 * nearest, 0.2 * top, 20)

    paths = shortest_paths(with_border_linked(links, on_border), lambda i, j: max(0, colour(i, j) - clip))
    held = connectivity(paths, on_border, path_sigma, 3)
    background = [1 - gauss(value, 1) for value in held]
    places = [(y / labels.shape[0], x / labels.shape[1]) for y, x in centres(labels)]
    contrast = stretched(
        [sum(colour(i, j) * gauss(math.dist(places[i], places[j]), 0.4) * background[j] for j in every) for i in every]
    )
    threshold = threshold_otsu(np.array(contrast))
    foreground = [value if value >= threshold else 0.0 for value in contrast]
    weights = [5 * (1000.0 if value > 3 else share) for value, share in zip(held, background, strict=True)]
    return optimum(
        with_border_linked(two, on_border),
        lambda i, j: gauss(colour(i, j), near_sigma, 3) + (0.1 if j in links[i] else 0.0),
        weights,
        foreground,
    )
