"""PNG's Paeth filter, compiled."""

import numpy as np
import numpy.typing as npt
from numba import njit

ByteRows = npt.NDArray[np.uint8]


@njit(cache=True)
def paeth_filtered(padded: ByteRows, num_channels: int) -> ByteRows:
    """Rows of bytes (h, w) minus the prediction of the Paeth filter, the filter's number before each row: (h, w + 1).

    The prediction is the one of the bytes to the left, above and above left (corner) that is nearest to
    left + above - corner. `padded` has zeros above and to the left of the picture.
    """
    height, width = padded.shape[0] - 1, padded.shape[1] - num_channels
    rows = np.empty((height, width + 1), np.uint8)
    for y in range(height):
        rows[y, 0] = 4  # the number of this filter
        row, lefts, out = padded[y + 1, num_channels:], padded[y + 1, :width], rows[y, 1:]
        above, corners = padded[y, num_channels:], padded[y, :width]
        for x in range(width):
            # In 32 bits, so that the compiler vectorises the loop.
            left, up, corner = np.int32(lefts[x]), np.int32(above[x]), np.int32(corners[x])
            from_left, from_up = np.int32(up - corner), np.int32(left - corner)
            from_corner = np.int32(abs(np.int32(from_left + from_up)))
            from_left, from_up = np.int32(abs(from_left)), np.int32(abs(from_up))
            predicted = corner
            if from_up <= from_corner:
                predicted = up
            if from_left <= from_up and from_left <= from_corner:
                predicted = left
            out[x] = np.uint8(np.int32(row[x]) - predicted)
    return rows
