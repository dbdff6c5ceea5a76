"""How a drawn film is encoded: its size, times and colours, which the source gives, and the encoder's settings."""

from dataclasses import dataclass
from fractions import Fraction

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from cartoon_dist.config.commands import FilmCodec, FilmPreset
from cartoon_dist.errors import ConfigError

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's name of the container by the ending of the file."""
_NUM_THREADS = 4
"""Of the encoder. A fixed number: what it writes depends on it, and a film that goes on elsewhere is to be the same."""
_ENCODERS: dict[FilmCodec, str] = {"h264": "libx264", "vp9": "libvpx-vp9"}
_MAX_CRF: dict[FilmCodec, int] = {"h264": 51, "vp9": 63}
_DEFAULT_CRF: dict[FilmCodec, int] = {"h264": 18, "vp9": 24}
_VP9_SPEEDS: dict[FilmPreset, int] = {"ultrafast": 5, "veryfast": 4, "fast": 3, "medium": 2, "slow": 1, "veryslow": 0}
_BT709 = {
    "colorspace": Colorspace.ITU709,
    "color_primaries": ColorPrimaries.BT709,
    "color_trc": ColorTrc.BT709,
    "color_range": ColorRange.MPEG,
}


@dataclass(frozen=True, kw_only=True)
class FilmLook:
    """width, height: of a drawn frame. time_base: seconds of a unit of its time. rate: frames a second on average;
    times are those of the frames all the same. pixel_aspect: width of a pixel divided by its height."""

    width: int
    height: int
    time_base: Fraction
    rate: Fraction
    pixel_aspect: Fraction
    codec: FilmCodec
    crf: int
    preset: FilmPreset

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        return _ENCODERS[self.codec]

    @property
    def pixel_format(self) -> str:
        """Colour at half the resolution, as all players take it; at full resolution where H.264 cannot halve an odd
        side."""
        is_odd = self.width % 2 or self.height % 2
        return "yuv444p" if is_odd and self.codec == "h264" else "yuv420p"


def choose_codec(codec: FilmCodec | None, suffix: str) -> FilmCodec:
    """The codec for a file of that ending: H.264, and VP9 in a .webm; ConfigError where the container cannot hold it,
    or this installation has no such encoder."""
    is_webm = CONTAINERS[suffix] == "webm"
    chosen: FilmCodec = codec or ("vp9" if is_webm else "h264")
    if is_webm and chosen == "h264":
        raise ConfigError(f"codec={chosen}: a .webm cannot hold it; use codec=vp9, or name an .mp4 or .mkv")
    try:
        av.Codec(_ENCODERS[chosen], "w")
    except av.codec.codec.UnknownCodecError:
        raise ConfigError(f"codec={chosen}: this installation of av has no encoder for it; use h264") from None
    return chosen


def choose_crf(crf: int | None, codec: FilmCodec) -> int:
    """The quality: without one, that at which a film is hard to tell from the drawings; ConfigError for one that the
    codec does not know."""
    if crf is not None and crf > _MAX_CRF[codec]:
        raise ConfigError(f"crf={crf}: of {codec} the largest is {_MAX_CRF[codec]}")
    return _DEFAULT_CRF[codec] if crf is None else crf


def new_encoder(look: FilmLook) -> VideoCodecContext:
    """An encoder of a part of the film, which needs no other part."""
    context = av.CodecContext.create(look.encoder, "w")
    assert isinstance(context, VideoCodecContext)
    configure(context, look)
    return context


def configure(context: VideoCodecContext, look: FilmLook) -> None:
    """Set an encoder up. All encoders of one look write the same header, so that their packets can be joined."""
    context.width, context.height, context.pix_fmt = look.width, look.height, look.pixel_format
    context.time_base, context.framerate = look.time_base, look.rate
    context.sample_aspect_ratio = look.pixel_aspect
    for name, value in _BT709.items():
        setattr(context, name, int(value))
    context.thread_count = _NUM_THREADS
    context.flags |= Flags.global_header | Flags.bitexact
    context.options = _options(look)


def _options(look: FilmLook) -> dict[str, str]:
    crf = str(look.crf)
    if look.codec == "h264":
        return {"crf": crf, "preset": look.preset}
    return {"crf": crf, "b": "0", "cpu-used": str(_VP9_SPEEDS[look.preset]), "row-mt": "1"}
