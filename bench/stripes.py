"""How strong fine stripes are, which networks that enlarge maps like to draw: a picture's energy at the Nyquist
frequency (stripes of one pixel) and at half of it (of two pixels)."""

from typing import NamedTuple

import numpy as np

from cartoon_dist.image.decode import Picture

_NEIGHBOURS = 2
"""So many frequencies on either side belong to one, as the picture ends somewhere."""


class Energies(NamedTuple):
    """At stripes of one pixel and of two pixels, across and down together."""

    nyquist: float
    half: float


def energies(picture: Picture) -> Energies:
    """Of the grey picture, (h, w, 3); the mean of all its rows and of all its columns, in arbitrary units."""
    grey = picture.astype(np.float64).mean(2)
    found = []
    for lines in (grey, grey.T):
        power = np.abs(np.fft.rfft(lines - lines.mean(1, keepdims=True), axis=1)) ** 2
        last = power.shape[1] - 1
        found.append(
            [
                power[:, last - _NEIGHBOURS :].mean(),
                power[:, last // 2 - _NEIGHBOURS : last // 2 + _NEIGHBOURS + 1].mean(),
            ]
        )
    nyquist, half = np.mean(found, 0)
    return Energies(float(nyquist), float(half))


def against(drawings: list[Picture], photos: list[Picture]) -> Energies:
    """The median of the drawings' energies as shares of their photos'; 1 is as much as in the photo."""
    shares = [np.divide(energies(one), energies(other)) for one, other in zip(drawings, photos, strict=True)]
    nyquist, half = np.median(shares, 0)
    return Energies(float(nyquist), float(half))
