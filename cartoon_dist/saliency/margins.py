"""How much each pixel differs from what lies along each side of the photo (what MB+ adds to MBD)."""

import numpy as np
import numpy.typing as npt

from cartoon_dist.saliency.picture import stretch

Floats = npt.NDArray[np.float64]

_SHARE = 0.1
"""Each strip's width, as a share of the side it is cut from."""


def unlike_margins_public(colours: Floats) -> Floats:
    """Mahalanobis distance of each pixel to four border strips: Lab (h, w, 3) -> (h, w) in [0, 1].

    The covariance gets 1 Lab unit^2 on its diagonal, about a photo's noise: a strip of one colour has no inverse.
    """
    return _unlike_margins(colours, ridge=1.0, norm=2)


def unlike_margins_author(colours: Floats) -> Floats:
    """Whitened L1 distance of each pixel to four border strips: RGB in 0..255 (h, w, 3) -> (h, w) in [0, 1]."""
    return _unlike_margins(colours, ridge=50.0, norm=1)


def _unlike_margins(colours: Floats, *, ridge: float, norm: int) -> Floats:
    # The largest of the four is left out: the salient thing itself may touch one side.
    maps = np.stack([stretch(_distance(colours, strip, ridge=ridge, norm=norm)) for strip in strips(colours)])
    return stretch(maps.sum(axis=0) - maps.max(axis=0))


def strips(colours: Floats) -> list[Floats]:
    """The colours (n, 3) along the top, bottom, left and right side."""
    rows = max(1, int(_SHARE * colours.shape[0]))
    columns = max(1, int(_SHARE * colours.shape[1]))
    parts = (colours[:rows], colours[-rows:], colours[:, :columns], colours[:, -columns:])
    return [part.reshape(-1, colours.shape[2]) for part in parts]


def _distance(colours: Floats, strip: Floats, *, ridge: float, norm: int) -> Floats:
    """Distance of each pixel to the strip's mean in units of the strip's own variation; norm 2 is Mahalanobis."""
    centred = strip - strip.mean(axis=0)
    covariance = centred.T @ centred / max(len(strip) - 1, 1) + ridge * np.eye(strip.shape[1])
    variances, axes = np.linalg.eigh(covariance)
    whitening = axes / np.sqrt(variances) @ axes.T
    return np.linalg.norm((colours - strip.mean(axis=0)) @ whitening, ord=norm, axis=-1)
