"""RBD, robust background detection: a region is salient when it hardly touches the border and differs from what does.

Zhu, Liang, Wei, Sun, "Saliency Optimization from Robust Background Detection", CVPR 2014; equation numbers are its own.
Written from the paper; the authors' code is for non-commercial use and no line of it is here.
"""

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu

from cartoon_dist.image.decode import Picture
from cartoon_dist.saliency.geodesic import (
    affinity,
    boundary_connectivity,
    geodesic_distances,
    optimize_saliency,
    pairwise_distances,
)
from cartoon_dist.saliency.picture import SaliencyMap, Variant, is_flat, min_max_scale
from cartoon_dist.superpixels.lab import rgb_to_lab
from cartoon_dist.superpixels.regions import Mask, Superpixels, split_into_superpixels

Floats = npt.NDArray[np.floating]

_MIN_SMOOTHNESS = 0.1
"""mu of Eq 10: the least smoothness between neighbours, so that noise in texture is smoothed."""

_PIXELS_PER_SUPERPIXEL = 600
_BAND_PIXELS = 8
_CERTAIN_CONNECTIVITY = 3.0
"""author: from this boundary connectivity on a superpixel counts as background, with weight 1000."""
_BACKGROUND_WEIGHT = 5.0
_LARGEST_SHARE = 0.01
"""author: the share of all distances that counts as the largest ones."""


def rbd(photo: Picture, *, variant: Variant) -> SaliencyMap:
    """RBD's saliency of a photo, uint8 RGB (h, w, 3): float32 (h, w) in [0, 1]; zeros for a photo of one colour."""
    if is_flat(photo):
        return np.zeros(photo.shape[:2], np.float32)
    superpixels = _superpixels(photo, variant)
    rank = rank_public if variant == "public" else rank_author
    return min_max_scale(superpixels.paint(rank(photo, superpixels))).astype(np.float32)


def rank_public(photo: Picture, superpixels: Superpixels) -> Floats:
    """Saliency of each superpixel (n,) as the widely used Python code ranks them.

    Colours are compared along paths everywhere, in the contrast and the smoothness too, and the constants are the
    paper's: sigma 10 for colour, 1 for boundary connectivity, 0.25 of the diagonal for position.
    """
    adjacent, border = superpixels.neighbours(), superpixels.on_border(band_pixels=1)
    geodesic = geodesic_distances(
        pairwise_distances(superpixels.means(rgb_to_lab(photo))), adjacent | _all_pairs(border)
    )
    alike = affinity(geodesic, sigma=10)
    background = 1 - affinity(boundary_connectivity(alike, border), sigma=1)  # Eq 8
    near = affinity(pairwise_distances(superpixels.centres()) / np.hypot(*photo.shape[:2]), sigma=0.25)
    contrast = min_max_scale((geodesic * near) @ background.astype(np.float32)).astype(np.float64)  # Eq 7
    return optimize_saliency(
        smoothness=(alike + _MIN_SMOOTHNESS) * adjacent, background=background, foreground=contrast
    )


def rank_author(photo: Picture, superpixels: Superpixels) -> Floats:
    """Saliency of each superpixel (n,) as the method's authors rank them.

    Colours are compared directly, only the boundary connectivity goes along paths; the sigmas follow from the photo;
    small colour differences are cut off, faint contrast is dropped, and certain background gets a large weight.
    """
    colour = pairwise_distances(_lab_of_means(photo, superpixels))
    adjacent = superpixels.neighbours()
    border = superpixels.on_border(band_pixels=_border_width(photo))
    within_two = _within_two(adjacent)
    clip, geodesic_sigma, neighbour_sigma = _scales(colour, adjacent, within_two)

    geodesic = geodesic_distances(np.maximum(colour - clip, 0), adjacent | _all_pairs(border))
    connectivity = boundary_connectivity(_truncated_affinity(geodesic, sigma=geodesic_sigma), border)
    background = 1 - affinity(connectivity, sigma=1)

    near = affinity(pairwise_distances(superpixels.centres() / photo.shape[:2]), sigma=0.4)
    contrast = _drop_faint(min_max_scale((colour * near) @ background.astype(np.float32)).astype(np.float64))

    smoothness = (
        _truncated_affinity(colour, sigma=neighbour_sigma) * (within_two | _all_pairs(border))
        + _MIN_SMOOTHNESS * adjacent
    )
    weight = np.where(connectivity > _CERTAIN_CONNECTIVITY, 1000.0, background)
    return optimize_saliency(smoothness=smoothness, background=_BACKGROUND_WEIGHT * weight, foreground=contrast)


def _superpixels(photo: Picture, variant: Variant) -> Superpixels:
    if variant == "public":
        return split_into_superpixels(photo, num_segments=250, compactness=10, blur_pixels=1, connected=False)
    num_segments = max(1, round(photo.shape[0] * photo.shape[1] / _PIXELS_PER_SUPERPIXEL))
    return split_into_superpixels(photo, num_segments=num_segments, compactness=20, blur_pixels=0, connected=True)


def _all_pairs(chosen: Mask) -> Mask:
    """All pairs of chosen superpixels: (n, n). Linking the border's makes one region of a background cut in two."""
    pairs = np.outer(chosen, chosen)
    np.fill_diagonal(pairs, val=False)
    return pairs


def _lab_of_means(photo: Picture, superpixels: Superpixels) -> Floats:
    return rgb2lab(superpixels.means(photo)[None] / 255)[0]


def _border_width(photo: Picture) -> int:
    """Width of the border; a fixed one would swallow a tiny photo."""
    return max(1, min(_BAND_PIXELS, min(photo.shape[:2]) // 8))


def _within_two(adjacent: Mask) -> Mask:
    """Neighbours and their neighbours: (n, n), none with itself."""
    steps = adjacent.astype(np.float64)
    reached = (steps + steps @ steps) > 0
    np.fill_diagonal(reached, val=False)
    return reached


def _scales(colour: Floats, adjacent: Mask, within_two: Mask) -> tuple[float, float, float]:
    """What counts as a small difference of colour in this photo: clip value, sigma of paths, sigma of neighbours."""
    if len(colour) == 1:
        return 0.0, 5.0, 1.0  # nothing to compare: any will do
    nearest = np.where(adjacent, colour, np.inf).min(axis=1).mean()
    nearest_of_two = np.where(within_two, colour, np.inf).min(axis=1).mean()
    descending = np.sort(colour, axis=None)[::-1]
    largest = descending[: max(1, int(_LARGEST_SHARE * descending.size))].mean()
    geodesic_sigma = max(5.0, min(10.0, 3 * nearest, largest / 10))
    return nearest_of_two, geodesic_sigma, max(min(3 * nearest, 0.2 * largest, 20.0), 1e-6)


def _truncated_affinity(distance: Floats, *, sigma: float) -> Floats:
    return np.where(distance > 3 * sigma, 0, affinity(distance, sigma=sigma))


def _drop_faint(contrast: Floats) -> Floats:
    """Contrast (n,) with what lies below Otsu's threshold set to 0."""
    if contrast.max() == contrast.min():
        return contrast
    return np.where(contrast < threshold_otsu(contrast), 0, contrast)
