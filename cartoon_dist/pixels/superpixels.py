"""A photo as a few hundred patches of similar colour, and what is asked of them: colours, centres, who touches whom.

SLIC: Achanta et al., "SLIC Superpixels Compared to State-of-the-art Superpixel Methods", TPAMI 2012.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.segmentation import slic

from cartoon_dist.pixels.decode import Picture

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Superpixels:
    """`labels` (h, w) gives each pixel's superpixel, 0..num-1; each of them holds at least one pixel."""

    labels: npt.NDArray[np.intp]
    num: int

    def means(self, values: npt.NDArray[np.generic]) -> Floats:
        """Average values (h, w, c) within each superpixel: (num, c)."""
        totals = np.zeros((self.num, values.shape[-1]))
        for channel in range(values.shape[-1]):
            totals[:, channel] = np.bincount(self.labels.ravel(), weights=values[..., channel].ravel())
        return totals / self.sizes()[:, None]

    def sizes(self) -> npt.NDArray[np.intp]:
        """Number of pixels of each superpixel: (num,)."""
        return np.bincount(self.labels.ravel())

    def centres(self) -> Floats:
        """Mean row and column of each superpixel, in pixels: (num, 2)."""
        return self.means(np.moveaxis(np.indices(self.labels.shape), 0, -1))

    def neighbours(self) -> Mask:
        """Which superpixels share a side of a pixel: (num, num), symmetric, none with itself."""
        labels = self.labels
        touching = np.zeros((self.num, self.num), np.bool_)
        touching[labels[:, :-1], labels[:, 1:]] = True
        touching[labels[:-1], labels[1:]] = True
        touching |= touching.T
        np.fill_diagonal(touching, val=False)
        return touching

    def on_border(self, *, band_pixels: int) -> Mask:
        """Which superpixels reach into the outermost `band_pixels` rows and columns: (num,)."""
        inner = slice(band_pixels, -band_pixels)
        outside = np.ones(self.labels.shape, np.bool_)
        outside[inner, inner] = False
        found = np.zeros(self.num, np.bool_)
        found[self.labels[outside]] = True
        return found

    def paint(self, values: Floats) -> Floats:
        """Give each pixel its superpixel's value: (num,) -> (h, w)."""
        return values[self.labels]


def split(photo: Picture, *, num_segments: int, compactness: float, blur_pixels: float, connected: bool) -> Superpixels:
    """Cut a photo, uint8 RGB (h, w, 3), into about `num_segments` superpixels; the same photo gives the same ones.

    `compactness` weighs position against Lab colour, `blur_pixels` is the sigma of the blur before; with `connected`
    each superpixel is one piece, and pieces under a quarter of the usual size join a neighbour.
    """
    labels = slic(
        photo,
        n_segments=min(num_segments, photo.shape[0] * photo.shape[1]),
        compactness=compactness,
        sigma=blur_pixels,
        enforce_connectivity=connected,
        min_size_factor=0.25,
        start_label=0,
        channel_axis=-1,
    )
    # SLIC leaves numbers out, and an empty superpixel has no mean.
    used, compact = np.unique(labels, return_inverse=True)
    return Superpixels(labels=compact.reshape(labels.shape), num=len(used))
