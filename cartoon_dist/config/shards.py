"""Every setting of a shard job, and its default; read as config/train.py says."""

from typing import Annotated, Literal

from pydantic import Field

from cartoon_dist.config.fields import Count, Fraction, NotNegative, PathOrURL, Positive, Seed, settings_dataclass


@settings_dataclass
class SaliencySettings:
    """How labels are made: `public` is the corrected code of the paper's labels; `author` the methods' own."""

    variant: Literal["public", "author"] = "public"
    # A folder of maps that somebody else made, taken instead: for deep/a.jpg it holds deep/a.png.
    external: Annotated[PathOrURL, Field(min_length=1)] | None = None


@settings_dataclass
class VideoSettings:
    """Which frames of a video become samples."""

    # At most so many of a scene, evenly spread, and at least so far apart; a shorter scene gives one.
    max_per_scene: Count = 4
    min_seconds: Positive = 1.0
    # A scene begins where a frame differs from the last by so much, in the mean of all pixels and channels (0..255).
    scene_threshold: Positive = 15.0


@settings_dataclass
class ShardSettings:
    """All settings of a shard job, for photos and for cartoons."""

    image_size: Annotated[int, Field(ge=16, le=4096)] = 256
    # resize: short side to image_size, centre crop. tile: every scale cut into tiles, flat ones dropped.
    crop: Literal["resize", "tile"] = "resize"
    # Tile mode: the short sides, in multiples of image_size, to which a picture is scaled before it is cut.
    scales: tuple[Annotated[float, Field(ge=1)], ...] = (1.0, 1.5, 2.0)
    # Tile mode: a tile whose grey values deviate less than this (0..255) is flat and dropped.
    flat_below: NotNegative = 8.0
    samples_per_shard: Count = 500
    test_fraction: Fraction = 0.1
    seed: Seed = 0
    # The share of pictures that may be unusable before the job stops.
    max_broken: Fraction = 0.01
    # A picture that is not whole, or whose colours are not known, and a video that ends early: skip it, or take what a
    # decoder makes of it.
    damaged: Literal["skip", "take"] = "skip"
    # A larger picture is refused before it is decoded: it would not fit the memory.
    max_megapixels: Positive = 200.0
    num_workers: Count | None = None
    # Whether a picture that looks nearly like an earlier one is left out; otherwise it is only reported.
    dedup: bool = False
    # How many of the 64 bits of their hashes may differ between near-duplicates.
    duplicate_bits: Annotated[int, Field(ge=0, le=10)] = 3
    saliency: SaliencySettings = Field(default_factory=SaliencySettings)
    video: VideoSettings = Field(default_factory=VideoSettings)


@settings_dataclass
class IndexSettings:
    """How a set built elsewhere is split where its samples do not say."""

    test_fraction: Fraction = 0.1
    seed: Seed = 0
