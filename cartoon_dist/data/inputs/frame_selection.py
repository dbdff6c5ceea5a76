"""Which frames of a film become cartoons: found in one pass over the whole film, at reduced size.

Each frame is squeezed into a small square. Where two in a row differ suddenly, a scene begins. Of each scene a few
frames are taken, evenly spread; flat ones and near-duplicates of earlier ones are dropped. All is a function of the
film and the settings; the job writes the frames down, so that they are looked for once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cartoon_dist.config.shards import VideoSettings
from cartoon_dist.console.messages import say
from cartoon_dist.console.progress import Progress
from cartoon_dist.data.inputs.near_duplicates import Lookalikes
from cartoon_dist.data.inputs.sources import Frame, Shot
from cartoon_dist.data.inputs.video import Film, as_grey, as_rgb
from cartoon_dist.errors import PictureError
from cartoon_dist.image.decode import Damaged, Picture
from cartoon_dist.image.letterbox import Box, Letterbox
from cartoon_dist.image.perceptual_hash import likeness

_SIDE = 64
"""Pixels of the squares in which frames are compared; finer grain is noise and movement."""
_BLOCK = 4
"""Differences are taken between means of blocks of so many of these pixels: a cut stays, movement fades."""
_AROUND, _SUDDEN = 4, 2.0
"""A cut differs so many times more than any of so many frames before and after it: a pan differs much too, but
steadily, cartoons move in each second or third frame only, and a flash is no scene."""
_FLAT = 4.0
"""A frame whose grey values deviate less (0..255) shows nothing: black, white, a fade."""
_BARS_EVERY_SECONDS = 1
_LATE_FRAMES, _LATE_SECONDS, _LATE_SHARE = 2, Fraction(1), Fraction(1, 50)
"""A film may end so many frames before its promised end, or seconds or the share of it, whichever is less: writers
round, and count what is not shown."""


@dataclass(frozen=True)
class _Glance:
    """What is kept of a frame: its time, how it looks, whether it is flat, how much it differs from the last."""

    pts: int
    looks: int
    flat: bool
    change: float


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What becomes of a damaged film: `max_broken` is the share of its frames that may be passed over for damage;
    damaged="take" takes them, and films that end early, as a decoder gives them."""

    damaged: Damaged
    max_broken: float


def choose_frames(
    path: Path, settings: VideoSettings, rules: Rules, *, duplicate_bits: int, num_threads: int, shown: bool
) -> tuple[Shot, ...]:
    """The frames of a film to make samples of, in their order.

    Decodes all of the film once, on so many threads (0: one a core). Raises PictureError when it cannot be read, holds
    no video or no usable frame, ends before the time that its header promises, or is damaged beyond the rules.
    """
    with Film(path, num_threads=num_threads) as film:
        glances, box, damaged = _watch(film, str(path), rules, shown=shown)
        warning = _judge(film, path, len(glances), damaged, rules)
        if not glances:
            raise PictureError(f"{path}: no frame of it can be decoded; check the file")
        if warning:
            say(warning, shown=shown)
        if film.wide:
            what = f"its colours are {film.wide} and are taken for those of sRGB, too pale; convert the film to BT.709"
            say(f"warning: {path}: {what} first", shown=shown)
        shots = _pick(glances, film.time_base, box, settings, duplicate_bits)
    if not shots:
        raise PictureError(f"{path}: every frame of it is flat; leave it out")
    return tuple(shots)


def _judge(film: Film, path: Path, num_sound: int, damaged: Sequence[int], rules: Rules) -> str:
    """What is wrong with a film that is taken, in a line, or ""; PictureError where the rules do not take it."""
    ends = _ends_early(film)
    num_damaged = len(damaged) + film.num_lost
    if rules.damaged == "take":
        return f"warning: {path}: {ends}; what is there is taken" if ends else ""
    if ends:
        raise PictureError(f"{path}: {ends}; get the whole film, or take what is there with damaged=take")
    if not num_damaged:
        return ""
    first = f", the first at {timecode(damaged[0], film.time_base)}" if damaged else ""
    number = f"{num_damaged} of {num_sound + num_damaged} frames are damaged{first}"
    if num_damaged > rules.max_broken * (num_sound + num_damaged):
        raise PictureError(
            f"{path}: {number}, more than max_broken={rules.max_broken:g}; raise it to pass them over, or take them as "
            "they are with damaged=take"
        )
    return f"warning: {path}: {number}; they are passed over"


def _ends_early(film: Film) -> str:
    """At what time a film ends that should go on, in words; empty for a whole one."""
    promised, reached = film.promised, film.reached
    allowed = max(_LATE_FRAMES * film.frame_seconds, min(_LATE_SECONDS, _LATE_SHARE * promised))
    if promised - reached <= allowed:
        return ""
    times = (timecode(round(seconds * 1000), Fraction(1, 1000)) for seconds in (reached, promised))
    return "ends early, at {} where its header promises {}".format(*times)


def _watch(film: Film, label: str, rules: Rules, *, shown: bool) -> tuple[list[_Glance], Box, list[int]]:
    """What is kept of the frames, the part without bars, and the times of damaged frames that were passed over."""
    glances, letterbox, damaged = list[_Glance](), Letterbox(), list[int]()
    before: npt.NDArray[np.float64] | None = None
    next_look, every = None, int(_BARS_EVERY_SECONDS / film.time_base)
    width = height = 0  # of the first frame; some recordings change in the middle, and one box is not for both
    with Progress(total=film.num_frames, unit="frames", label=f"look through {label}", shown=shown) as progress:
        for frame in film.frames():
            if not glances:
                width, height = frame.width, frame.height
            elif (frame.width, frame.height) != (width, height):
                continue
            pts = frame.pts or 0
            if frame.is_corrupt and rules.damaged == "skip":
                damaged.append(pts)
                continue
            small = as_rgb(frame, side=_SIDE)
            levels = small.reshape(_SIDE // _BLOCK, _BLOCK, _SIDE // _BLOCK, _BLOCK, 3).mean(axis=(1, 3))
            change = 0.0 if before is None else float(np.abs(levels - before).mean())
            glances.append(_Glance(pts, likeness(small), _is_flat(small), change))
            before = levels
            if next_look is None or pts >= next_look:
                letterbox.add(as_grey(frame))
                next_look = pts + every
            progress.update(min(len(glances), film.num_frames))
    return glances, letterbox.box(width=width, height=height), damaged


def _pick(
    glances: Sequence[_Glance], unit: Fraction, box: Box, settings: VideoSettings, duplicate_bits: int
) -> list[Shot]:
    kept, shots = Lookalikes(num_bits=duplicate_bits), list[Shot]()
    starts = scene_starts([glance.change for glance in glances], threshold=settings.scene_threshold)
    times = [glance.pts - glances[0].pts for glance in glances]
    # The last frame is shown as long as the one before.
    times.append(2 * times[-1] - times[-2] if len(times) > 1 else 1)
    for start, end in zip(starts, [*starts[1:], len(glances)], strict=True):
        scene = timecode(times[start], unit)
        seconds = [float((time - times[start]) * unit) for time in times[start : end + 1]]
        for place in spread(seconds[:-1], seconds[-1], settings.max_per_scene, settings.min_seconds):
            glance, name = glances[start + place], timecode(times[start + place], unit)
            if not glance.flat and kept.take(name, glance.looks) is None:
                shots.append(Shot(name, Frame(glance.pts, f"scene-{scene}", box, f"{glance.looks:032x}")))
    return shots


def scene_starts(changes: Sequence[float], *, threshold: float) -> list[int]:
    """The first frames of the scenes, given how much each frame differs from the last (mean of 0..255 a channel).

    A scene begins where the difference reaches the threshold and stands out from those around it.
    """
    padded = np.pad(np.asarray(changes, float), _AROUND)
    around = np.max([np.roll(padded, shift) for shift in range(-_AROUND, _AROUND + 1) if shift], axis=0)
    is_cut = (padded >= threshold) & (padded >= _SUDDEN * around)
    return [0, *(int(place) - _AROUND for place in np.flatnonzero(is_cut) if place > _AROUND)]


def spread(seconds: Sequence[float], duration: float, most: int, apart: float) -> list[int]:
    """Which frames of a scene to take, given when each is shown: in the middle of each of as many equal parts.

    There are as many parts as are at least `apart` seconds long, at least one and not more than `most`.
    """
    num_parts = min(most, max(1, int(duration / apart + 1e-9)))
    wanted = [(part + 0.5) * duration / num_parts for part in range(num_parts)]
    places = np.searchsorted(np.asarray(seconds), np.asarray(wanted) - 1e-9)
    return sorted({min(int(place), len(seconds) - 1) for place in places})


def timecode(units: int, unit: Fraction) -> str:
    """A time in the film as `00h01m02.345s`: sorted by name is sorted by time, up to 100 hours."""
    milliseconds = round(units * unit * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}h{minutes % 60:02d}m{rest // 1000:02d}.{rest % 1000:03d}s"


def _is_flat(picture: Picture) -> bool:
    return bool(picture.mean(axis=2).std() < _FLAT)
