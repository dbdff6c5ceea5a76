"""Chooses the frames of a video that become cartoons, in one pass over the whole video at reduced size.

Each frame is resized to a small square. A scene begins where two frames in a row differ suddenly. Of each scene a few
frames are taken, evenly spaced; flat ones and near-duplicates of earlier ones are dropped. The result depends on the
video and the settings alone; the job records the frames, so that they are chosen once.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cartoon_dist.config.shards import VideoSettings
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.inputs.near_duplicates import NearDuplicateFinder
from cartoon_dist.data.inputs.sources import ChosenFrame, FrameLocation
from cartoon_dist.data.inputs.video import VideoReader, as_grey, as_rgb
from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Damaged, Picture
from cartoon_dist.image.letterbox import Box, LetterboxDetector
from cartoon_dist.image.perceptual_hash import perceptual_hash

_logger = logging.getLogger(__name__)
_SIDE = 64
"""Pixels of the squares in which frames are compared; finer grain is noise and movement."""
_BLOCK = 4
"""Frames are compared by means of blocks of so many pixels: a cut still shows, small movements do not."""
_CUT_WINDOW, _CUT_RATIO = 4, 2.0
"""At a cut the difference is this many times larger than in any of this many frames before and after: a pan differs
much too, but steadily, cartoons move in each second or third frame only, and a flash is no scene."""
_FLAT_DEVIATION = 4.0
"""A frame whose grey values (0..255) have a smaller standard deviation is flat: black, white, a fade."""
_LETTERBOX_INTERVAL_SECONDS = 1
_MISSING_FRAMES, _MISSING_SECONDS, _MISSING_SHARE = 2, Fraction(1), Fraction(1, 50)
"""A video may end this much before the duration in its header: max(frames, min(seconds, share of the duration)).
Programs round the duration, and count frames that are not shown."""


@dataclass(frozen=True)
class _FrameSummary:
    """What is kept of a frame: its time, perceptual hash, whether it is flat, its difference to the frame before."""

    pts: int
    picture_hash: int
    is_flat: bool
    difference: float


@dataclass(frozen=True, kw_only=True)
class DamagePolicy:
    """How damaged videos are handled: at most the share `max_broken` of the frames may be damaged, and these are
    skipped; damaged="take" takes such frames, and videos that end early, as the decoder returns them."""

    damaged: Damaged
    max_broken: float


def choose_frames(
    path: Path, settings: VideoSettings, policy: DamagePolicy, *, duplicate_bits: int, num_threads: int, shown: bool
) -> tuple[ChosenFrame, ...]:
    """The frames of a video to make samples of, in their order.

    Decodes the whole video once, on num_threads threads (0: one a core). Raises PictureError when it cannot be read,
    has no video stream or no usable frame, ends before its header's duration, or is more damaged than the policy
    allows.
    """
    with VideoReader(path, num_threads=num_threads) as video:
        summaries, box, damaged = _scan_video(video, str(path), policy, shown=shown)
        warning = _check_video(video, path, len(summaries), damaged, policy)
        if not summaries:
            raise PictureError(f"{path}: no frame of it can be decoded; check the file")
        if warning and shown:
            _logger.warning("%s", warning)
        if video.wide_colours:
            problem = f"its colours are {video.wide_colours} and are taken for those of sRGB, too pale"
            if shown:
                _logger.warning("%s: %s; convert the film to BT.709 first", path, problem)
        frames = _select_frames(summaries, video.time_base, box, settings, duplicate_bits)
    if not frames:
        raise PictureError(f"{path}: every frame of it is flat; leave it out")
    return tuple(frames)


def _check_video(video: VideoReader, path: Path, num_whole: int, damaged: Sequence[int], policy: DamagePolicy) -> str:
    """A warning about a video that is taken, or ""; PictureError when the policy does not allow its damage."""
    ends = _ends_early(video)
    num_damaged = len(damaged) + video.num_lost
    if policy.damaged == "take":
        return f"{path}: {ends}; what is there is taken" if ends else ""
    if ends:
        raise PictureError(f"{path}: {ends}; get the whole film, or take what is there with damaged=take")
    if not num_damaged:
        return ""
    first = f", the first at {timecode(damaged[0], video.time_base)}" if damaged else ""
    count = f"{num_damaged} of {num_whole + num_damaged} frames are damaged{first}"
    if num_damaged > policy.max_broken * (num_whole + num_damaged):
        raise PictureError(
            f"{path}: {count}, more than max_broken={policy.max_broken:g}; raise it to pass them over, or take them as "
            "they are with damaged=take"
        )
    return f"{path}: {count}; they are passed over"


def _ends_early(video: VideoReader) -> str:
    """At what time a video ends early, in words; empty for a whole one."""
    expected, decoded = video.header_seconds, video.decoded_seconds
    allowed = max(_MISSING_FRAMES * video.frame_seconds, min(_MISSING_SECONDS, _MISSING_SHARE * expected))
    if expected - decoded <= allowed:
        return ""
    times = (timecode(round(seconds * 1000), Fraction(1, 1000)) for seconds in (decoded, expected))
    return "ends early, at {} where its header promises {}".format(*times)


def _scan_video(
    video: VideoReader, label: str, policy: DamagePolicy, *, shown: bool
) -> tuple[list[_FrameSummary], Box, list[int]]:
    """A summary of each frame, the part without bars, and the times of damaged frames that were skipped."""
    summaries, letterbox, damaged = list[_FrameSummary](), LetterboxDetector(), list[int]()
    previous: npt.NDArray[np.float64] | None = None
    next_letterbox, interval = None, int(_LETTERBOX_INTERVAL_SECONDS / video.time_base)
    width = height = 0  # of the first frame; some recordings change in the middle, and one box is not for both
    with Progress(total=video.num_frames, unit="frames", label=f"look through {label}", shown=shown) as progress:
        for frame in video.frames():
            if not summaries:
                width, height = frame.width, frame.height
            elif (frame.width, frame.height) != (width, height):
                continue
            pts = frame.pts or 0
            if frame.is_corrupt and policy.damaged == "skip":
                damaged.append(pts)
                continue
            small = as_rgb(frame, side=_SIDE)
            levels = small.reshape(_SIDE // _BLOCK, _BLOCK, _SIDE // _BLOCK, _BLOCK, 3).mean(axis=(1, 3))
            difference = 0.0 if previous is None else float(np.abs(levels - previous).mean())
            summaries.append(_FrameSummary(pts, perceptual_hash(small), _is_flat(small), difference))
            previous = levels
            if next_letterbox is None or pts >= next_letterbox:
                letterbox.add(as_grey(frame))
                next_letterbox = pts + interval
            progress.update(min(len(summaries), video.num_frames))
    return summaries, letterbox.box(width=width, height=height), damaged


def _select_frames(
    summaries: Sequence[_FrameSummary], unit: Fraction, box: Box, settings: VideoSettings, duplicate_bits: int
) -> list[ChosenFrame]:
    finder, frames = NearDuplicateFinder(num_bits=duplicate_bits), list[ChosenFrame]()
    starts = scene_starts([summary.difference for summary in summaries], threshold=settings.scene_threshold)
    times = [summary.pts - summaries[0].pts for summary in summaries]
    # The last frame is shown as long as the one before.
    times.append(2 * times[-1] - times[-2] if len(times) > 1 else 1)
    for start, end in zip(starts, [*starts[1:], len(summaries)], strict=True):
        scene = timecode(times[start], unit)
        seconds = [float((time - times[start]) * unit) for time in times[start : end + 1]]
        for position in evenly_spaced(seconds[:-1], seconds[-1], settings.max_per_scene, settings.min_seconds):
            summary, name = summaries[start + position], timecode(times[start + position], unit)
            if not summary.is_flat and finder.add_or_find(name, summary.picture_hash) is None:
                frames.append(
                    ChosenFrame(name, FrameLocation(summary.pts, f"scene-{scene}", box, f"{summary.picture_hash:032x}"))
                )
    return frames


def scene_starts(differences: Sequence[float], *, threshold: float) -> list[int]:
    """The first frames of the scenes, from the difference of each frame to the one before (mean of 0..255 a channel).

    A scene begins where the difference reaches the threshold and is much larger than those around it.
    """
    padded = np.pad(np.asarray(differences, float), _CUT_WINDOW)
    around = np.max([np.roll(padded, shift) for shift in range(-_CUT_WINDOW, _CUT_WINDOW + 1) if shift], axis=0)
    is_cut = (padded >= threshold) & (padded >= _CUT_RATIO * around)
    return [0, *(int(frame) - _CUT_WINDOW for frame in np.flatnonzero(is_cut) if frame > _CUT_WINDOW)]


def evenly_spaced(seconds: Sequence[float], duration: float, max_frames: int, min_seconds: float) -> list[int]:
    """Which frames of a scene to take, from the time of each: the scene is divided into equal parts, and of each part
    the frame in its middle is taken.

    There are as many parts as are at least min_seconds long, at least one and not more than max_frames.
    """
    num_parts = min(max_frames, max(1, int(duration / min_seconds + 1e-9)))
    wanted = [(part + 0.5) * duration / num_parts for part in range(num_parts)]
    frames = np.searchsorted(np.asarray(seconds), np.asarray(wanted) - 1e-9)
    return sorted({min(int(frame), len(seconds) - 1) for frame in frames})


def timecode(units: int, unit: Fraction) -> str:
    """A time in the video as `00h01m02.345s`: sorted by name is sorted by time, up to 100 hours."""
    milliseconds = round(units * unit * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}h{minutes % 60:02d}m{rest // 1000:02d}.{rest % 1000:03d}s"


def _is_flat(picture: Picture) -> bool:
    return bool(picture.mean(axis=2).std() < _FLAT_DEVIATION)
