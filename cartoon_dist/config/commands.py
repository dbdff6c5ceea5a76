"""Settings of single commands: they stand in no run's config and in no shard folder, so each command has its own.

The same name means the same in every command: `weights`, `device`, `weights_folder`, `max_megapixels`.
"""

from typing import Literal

from pydantic import Field

from cartoon_dist.config.fields import Count, DeviceName, Fraction, PathOrURL, Positive, settings_dataclass

Weights = Literal["ema", "raw"]
"""Which of a generator's weights: their running average, or the weights themselves."""

Precision = Literal["fp32", "bf16", "fp16"]
"""In which numbers a model draws: with half of the bits it needs half of the memory, and rounds more."""


@settings_dataclass
class ComputeSettings:
    """Of a command that computes and does not train."""

    device: DeviceName = "auto"


@settings_dataclass
class DrawingSettings(ComputeSettings):
    """How a loaded model draws: by the command and by `cartoon_dist.load`."""

    # Left out: ema, and for an export, which holds one kind alone, what it holds.
    weights: Weights | None = None
    # Half precision only where it is asked for: drawings differ a little.
    precision: Precision = "fp32"
    # Pictures, and batches, up to this size are drawn in one piece; larger ones in strips: less memory, more time.
    megapixels: Positive = 1.0
    # A larger picture is refused by its header, before it is decoded.
    max_megapixels: Positive = 200.0


@settings_dataclass
class CartoonizeSettings(DrawingSettings):
    """Of launch/cartoonize.py."""

    # A picture that is not whole, or whose colours are not known: skip it, or take what a decoder makes of it.
    damaged: Literal["skip", "take"] = "skip"
    # Of drawings whose file is not named; left out: beside a picture its own or jpg, in a folder png.
    format: Literal["jpg", "png", "webp"] | None = None
    # Of JPEG and WebP; left out: 95.
    quality: int | None = Field(default=None, ge=1, le=100)
    # Where a photo was taken goes into its drawing.
    keep_place: bool = False
    # A picture with a longer side is made so small first, and its drawing stays so; left out: as it is.
    long_side: int | None = Field(default=None, ge=8, le=65_500)


FilmCodec = Literal["h264", "vp9"]
FilmPreset = Literal["ultrafast", "veryfast", "fast", "medium", "slow", "veryslow"]


@settings_dataclass
class FilmSettings(CartoonizeSettings):
    """Of launch/cartoonize.py where INPUT is a film."""

    # How much of a frame's light comes from the frames before it, at 25 frames a second: 0 draws each frame alone.
    steady: Fraction = 0.9
    # Left out: h264, and vp9 for a .webm.
    codec: FilmCodec | None = None
    # Lower is better and larger; left out: a value at which the drawing is hard to tell from the encoded one.
    crf: int | None = Field(default=None, ge=0, le=63)
    # Slower makes a smaller file.
    preset: FilmPreset = "medium"
    # Frames in a segment, the part of a film that is lost when the drawing is stopped; left out: by the frames' size.
    segment: Count | None = None


@settings_dataclass
class ExportSettings(ComputeSettings):
    """Of launch/export.py."""

    weights: Weights = "ema"
    # The picture on which the export is compared with the trained generator; left out: a photo of the run's shards.
    photo: PathOrURL | None = None
    # For the model card: the licence of the pictures that the generator learned from.
    pictures_licence: str | None = None
    # For the model card: the licence of the weights, as a hub names it: mit, cc-by-4.0, other.
    licence: str = Field(default="other", pattern=r"^[a-z0-9][a-z0-9.+-]{0,63}$")
    # Of a .safetensors: weights as they were trained, or in half precision, half as large.
    precision: Literal["trained", "fp16"] = "trained"
    # Who may read a new repository on the hub.
    visibility: Literal["private", "public"] = "private"


@settings_dataclass
class CompareSettings:
    """Of launch/fid.py, beside the settings of a score."""

    # A folder of pictures to score against, in place of the style's cartoons.
    against: PathOrURL | None = None
    # With `against`: the file to which the scores are added.
    out: PathOrURL | None = None


@settings_dataclass
class TableSettings:
    """Of launch/table.py, beside the settings of training."""

    # N: each row with seeds 0 to N-1; N,ROW=M,...: a row that is named with M seeds.
    seeds: str = "1"
    # Names of rows with commas between them; left out: all.
    rows: str | None = None
    # Train and score on so many processes of this machine.
    processes: Count = 1


@settings_dataclass
class WeightsSettings:
    """Of launch/weights.py."""

    # Where the weights lie; left out: the folder that $CARTOON_DIST_WEIGHTS names, or weights/.
    weights_folder: PathOrURL | None = Field(default=None, min_length=1)


@settings_dataclass
class SliceSettings:
    """Of shards/photos.py and shards/cartoons.py, beside the settings of the shards."""

    # K/N: build the K-th of N parts of the shards, as one of N machines that write to the same folder.
    slice: str | None = None


@settings_dataclass
class DryRunSettings:
    """Of launch/train.py with --dry-run, beside the settings of training."""

    # Describe what so many processes would do; left out: those that are running.
    processes: Count | None = None


@settings_dataclass
class WebSettings(ComputeSettings):
    """Of cartoon-dist web."""

    # As of CartoonizeSettings; max_megapixels is lower, as the photos are strangers'.
    weights: Weights | None = None
    megapixels: Positive = 1.0
    max_megapixels: Positive = 50.0
    # A larger drawing is refused: it would keep all others waiting.
    max_drawn_megapixels: Positive = 16.0
    # The largest file that may be sent.
    max_upload_megabytes: Positive = 30.0
    # How many visitors may wait for their drawing; more are told to come back.
    max_waiting: Count = 20
    # Photos and drawings are deleted after so long.
    keep_minutes: Positive = 10.0
    # Where the page can be reached; 127.0.0.1: from this machine alone.
    host: str = "127.0.0.1"
    # 0: any that is free.
    port: int = Field(default=7860, ge=0, le=65535)
    # With --static: an unpacked onnxruntime-web, or its .tgz; left out: npm fetches it.
    runtime: PathOrURL | None = None
