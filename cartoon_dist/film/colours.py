"""A drawing as an encoder takes it: BT.709, 16 to 235, its colour at half the resolution where the format says so."""

import av
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from cartoon_dist.image.decode import Picture

_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INP


def to_video_frame(drawing: Picture, pixel_format: str) -> VideoFrame:
    """A drawing, uint8 RGB (h, w, 3), as yuv420p or yuv444p."""
    height, width = drawing.shape[:2]
    # FFmpeg halves colour as if its samples lay between the pixels; all decoders take them to lie on the left ones, so
    # that edges would have their colour a quarter of a pixel beside them. With an odd side its way has to do.
    halves = pixel_format == "yuv420p" and height % 2 == 0 and width % 2 == 0
    frame = av.VideoFrame.from_ndarray(drawing, format="rgb24").reformat(
        format="yuv444p" if halves else pixel_format,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation=int(_EXACT),
    )
    if not halves:
        return frame
    brightness, *colour = np.asarray(frame.to_ndarray(), np.uint8)
    planes = [brightness.ravel(), *(_halved(plane).ravel() for plane in colour)]
    return av.VideoFrame.from_ndarray(np.concatenate(planes).reshape(height * 3 // 2, width), format="yuv420p")


def _halved(plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Samples on each second column, of weights 1 2 1, and between two rows."""
    values = plane.astype(np.uint16)
    left = np.concatenate([values[:, :1], values[:, 1:-2:2]], axis=1)
    columns = left + 2 * values[:, ::2] + values[:, 1::2]
    return ((columns[::2] + columns[1::2] + 4) >> 3).astype(np.uint8)
