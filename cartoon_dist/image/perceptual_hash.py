"""Perceptual hash: pictures that a person takes for the same one have nearly the same bits.

Two hashes side by side, as each alone fails on some pictures: the difference hash (64 bits: does it get brighter to the
right?) says little about drawings on plain paper, the wave hash (64 bits: which low frequencies of the cosine transform
are above the median) little about a figure that walks into a large scene. Integers throughout, so that every machine
gives the same bits.
"""

import cv2
import numpy as np
import numpy.typing as npt

from cartoon_dist.image.decode import Picture

NUM_BITS = 64
"""Bits of each of the two hashes; a perceptual hash is a number of twice as many, the difference hash first."""
_WAVE_BITS_PER_BIT, _MAX_WAVE_BITS = 3, 12
"""The wave hash may differ in so many times more bits (they flip in pairs, around the median), but in no more than
these: between unrelated pictures half of the bits differ, give or take eight."""
_SAMPLED = 256
_SIDE, _FREQUENCIES = 32, np.arange(1, 9)
_PLACES = 2 * np.arange(_SIDE) + 1
# The cosine transform without its constant row, scaled to integers.
_COSINES = np.rint(1024 * np.cos(np.pi * _FREQUENCIES[:, None] * _PLACES / (2 * _SIDE))).astype(np.int64)


def perceptual_hash(picture: Picture) -> int:
    """The 128 bits of a picture, RGB (h, w, 3) of any size; a copy that was scaled or stored again has nearly the same.

    Takes less than a millisecond: of a large picture only every n-th pixel is used.
    """
    step = max(1, min(picture.shape[:2]) // _SAMPLED)
    # Grey before columns are left out: single bytes are picked a few times faster than three at a time.
    grey = np.ascontiguousarray(cv2.cvtColor(picture[::step], cv2.COLOR_RGB2GRAY)[:, ::step])
    return _difference_hash(grey) << NUM_BITS | _wave_hash(grey)


def are_near_duplicates(one: int, other: int, *, num_bits: int) -> bool:
    """Whether two hashes are of nearly the same picture: their difference hashes differ in at most num_bits bits."""
    differing = one ^ other
    max_wave_bits = min(_WAVE_BITS_PER_BIT * num_bits, _MAX_WAVE_BITS)
    return (differing >> NUM_BITS).bit_count() <= num_bits and (
        differing & (1 << NUM_BITS) - 1
    ).bit_count() <= max_wave_bits


def _difference_hash(grey: npt.NDArray[np.generic]) -> int:
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return _bits_to_int(small[:, 1:] > small[:, :-1])


def _wave_hash(grey: npt.NDArray[np.generic]) -> int:
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.int64)
    waves = (_COSINES @ small @ _COSINES.T).ravel()
    return _bits_to_int(waves > np.partition(waves, NUM_BITS // 2 - 1)[NUM_BITS // 2 - 1])


def _bits_to_int(bits: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits.ravel()).tobytes(), "big")
