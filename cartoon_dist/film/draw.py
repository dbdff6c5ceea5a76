"""Draws a film segment by segment: frames in batches through the generator, then through the encoder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import chain, islice

import av
from torch import Tensor

from cartoon_dist.cpu.beside import InOrder, read_ahead
from cartoon_dist.errors import PictureError
from cartoon_dist.film.colours import to_video_frame
from cartoon_dist.film.look import FilmLook, new_encoder
from cartoon_dist.film.read import FilmFrame, FilmReader
from cartoon_dist.film.scene_cuts import SceneCuts
from cartoon_dist.film.segments import EncodedPacket, PartsFolder, Segment
from cartoon_dist.film.still_parts import StillParts
from cartoon_dist.image.decode import Picture
from cartoon_dist.inference.batched import Cartoonizer, padded_side
from cartoon_dist.inference.steady import SteadyStatistics

_STEADY_RATE = 25
"""`steady` is the weight of the past from frame to frame at so many frames a second."""
_MAX_BATCH = 32
_SEGMENT_PIXELS, _MIN_SEGMENT, _MAX_SEGMENT = 100_000_000, 48, 240
"""A segment has about so many pixels, within these numbers of frames: more would lose more work when it is stopped,
fewer make the file larger, as each begins with a whole frame."""
_STATISTICS, _CUTS, _STILL = "statistics/", "cuts/", "still/"


@dataclass(kw_only=True)
class SteadyLight:
    """Draws batches of frames with what stands still, and the statistics of whole frames, eased over time; begins anew
    where a scene does.

    steady: the weight of the past at 25 frames a second; 0 draws each frame alone. statistics: None for a model that
    has none or whose inside is closed.
    """

    cartoonizer: Cartoonizer
    statistics: SteadyStatistics | None
    steady: float
    time_base: Fraction
    _cuts: SceneCuts = field(default_factory=SceneCuts)
    _still: StillParts = field(default_factory=StillParts)
    _last_pts: int = 0

    def begin(self, frames: Sequence[FilmFrame]) -> Callable[[], list[Picture]]:
        """Begin to draw the next frames, in order; what this returns waits for their cartoons. Where the CPU draws,
        batches are waited for one by one."""
        pictures = [frame.picture for frame in frames]
        if self.steady:
            weights = [self._past_weight(frame) for frame in frames]
            pictures = [self._still.ease(picture, past) for picture, past in zip(pictures, weights, strict=True)]
            if self.statistics is not None:
                self.statistics.begin_batch(weights)
        return self.cartoonizer.start(pictures)

    def _past_weight(self, frame: FilmFrame) -> float:
        seconds = (frame.pts - self._last_pts) * self.time_base
        self._last_pts = frame.pts
        if self._cuts.begins_scene(frame.picture):
            return 0.0
        return float(self.steady ** float(seconds * _STEADY_RATE))

    def state(self) -> dict[str, Tensor]:
        """What `restore` goes on from."""
        if not self.steady:
            return {}
        parts = [(_CUTS, self._cuts.state()), (_STILL, self._still.state())]
        if self.statistics is not None:
            parts.append((_STATISTICS, self.statistics.state()))
        return {prefix + name: values for prefix, state in parts for name, values in state.items()}

    def restore(self, state: Mapping[str, Tensor], last_pts: int) -> None:
        """Go on after the frame of that time, at which `state` was taken."""
        if not self.steady:
            return
        self._cuts.restore(_under(state, _CUTS))
        self._still.restore(_under(state, _STILL))
        if self.statistics is not None:
            self.statistics.restore(_under(state, _STATISTICS))
        self._last_pts = last_pts


def draw_segments(
    reader: FilmReader,
    light: SteadyLight,
    look: FilmLook,
    parts: PartsFolder,
    *,
    num_frames: int,
    on_frames: Callable[[int], None],
) -> None:
    """Draw and store what is missing of a film, in segments of so many frames; `parts` is held by this process.

    on_frames: told how many frames have been drawn or were there already. PictureError where the film cannot be read,
    drawn or encoded.
    """
    number, num_done = parts.num_segments(), 0
    after: int | None = None
    if number:
        last = parts.read(number - 1)
        light.restore(parts.read_state(number - 1), last.last_pts)
        after, num_done = last.last_pts, (number - 1) * num_frames + len(last.packets)
        on_frames(num_done)
    size, is_free = _batch_size(light.cartoonizer, look), light.cartoonizer.leaves_the_cpu_free
    with (
        read_ahead(reader.frames(after=after), max_items=2 * size if is_free else 0) as frames,
        ThreadPoolExecutor(1) if is_free else nullcontext() as pool,
    ):
        for first in frames:
            segment_frames = chain([first], islice(frames, num_frames - 1))
            told = _Told(num_done, on_frames)
            segment = _drawn_segment(_batches(segment_frames, size), light, SegmentEncoder(look), pool, told)
            parts.write(number, segment, light.state())
            number, num_done = number + 1, told.num_done


@dataclass
class _Told:
    """Counts frames, and tells."""

    num_done: int
    on_frames: Callable[[int], None]

    def __call__(self, num: int) -> None:
        self.num_done += num
        self.on_frames(self.num_done)


def _drawn_segment(
    batches: Iterator[list[FilmFrame]],
    light: SteadyLight,
    encoder: "SegmentEncoder",
    pool: ThreadPoolExecutor | None,
    told: _Told,
) -> Segment:
    """Draw and encode a segment; with a pool the encoder works in its thread, and a batch is begun before the one under
    way is waited for."""
    encoding = InOrder(pool, told, max_waiting=2)

    def encode(batch: list[FilmFrame], drawings: list[Picture]) -> int:
        encoder.add(batch, drawings)
        return len(batch)

    under_way: list[tuple[list[FilmFrame], Callable[[], list[Picture]]]] = []
    try:
        for batch in batches:
            under_way.append((batch, light.begin(batch)))
            if pool is None or len(under_way) > 1:
                frames, drawings = under_way.pop(0)
                encoding.add(partial(encode, frames, drawings()))
        for frames, drawings in under_way:
            encoding.add(partial(encode, frames, drawings()))
        encoding.finish()
    finally:
        encoding.stop()
    return encoder.finish()


class SegmentEncoder:
    """Encodes a segment, whose first frame is a whole one."""

    def __init__(self, look: FilmLook) -> None:
        self._look, self._context = look, new_encoder(look)
        self._packets: list[EncodedPacket] = []
        self._num_frames = self._last_duration = self._first_pts = 0

    def add(self, frames: Sequence[FilmFrame], drawings: Sequence[Picture]) -> None:
        """Encode the drawings of frames."""
        for frame, drawing in zip(frames, drawings, strict=True):
            if not self._num_frames:
                self._first_pts = frame.pts
            self._num_frames, self._last_duration = self._num_frames + 1, frame.duration
            picture = to_video_frame(drawing, self._look.pixel_format)
            # From 0 on: encoders do not like times below it, and those of a recording may be enormous.
            picture.pts, picture.time_base = frame.pts - self._first_pts, self._look.time_base
            self._encode(picture)

    def finish(self) -> Segment:
        """The segment."""
        self._encode(None)
        if len(self._packets) != self._num_frames:
            raise PictureError(
                f"codec={self._look.codec}: made {len(self._packets)} frames of {self._num_frames}; use codec=h264"
            )
        return Segment(
            packets=tuple(self._packets),
            last_duration=self._last_duration,
            header=bytes(self._context.extradata or b""),
        )

    def _encode(self, frame: av.VideoFrame | None) -> None:
        try:
            packets = self._context.encode(frame)
        except av.FFmpegError as error:
            raise PictureError(
                f"codec={self._look.codec}: cannot encode {self._look.width} x {self._look.height} pixels "
                f"({error.strerror}); use another codec"
            ) from None
        for packet in packets:
            pts = (packet.pts or 0) + self._first_pts
            self._packets.append(EncodedPacket(bytes(packet), pts, packet.is_keyframe))


def segment_length(look: FilmLook) -> int:
    """How many frames a segment has when the settings do not say."""
    return max(_MIN_SEGMENT, min(_MAX_SEGMENT, _SEGMENT_PIXELS // (look.width * look.height)))


def _batch_size(cartoonizer: Cartoonizer, look: FilmLook) -> int:
    area = padded_side(look.height) * padded_side(look.width)
    return max(1, min(_MAX_BATCH, cartoonizer.max_batch_pixels // area))


def _batches(frames: Iterator[FilmFrame], size: int) -> Iterator[list[FilmFrame]]:
    while batch := list(islice(frames, size)):
        yield batch


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)}
