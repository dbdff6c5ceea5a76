"""What a worker of the shard job does with one picture: decode, cut, label or smooth, encode.

Runs in processes of its own, so it must stay free of torch (and of webdataset, which imports torch): a worker starts in
a second, most of it numba's, and takes little memory.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.format.sample import LABEL_MEMBER, RECORD_MEMBER, Domain, sample_key
from cartoon_dist.data.inputs.external_labels import cut_map, read_map
from cartoon_dist.data.inputs.sources import Source
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import read_regular
from cartoon_dist.image import crop
from cartoon_dist.image.decode import Picture, decode_file, max_file_bytes
from cartoon_dist.image.edges import smooth_edges
from cartoon_dist.image.header import read_header
from cartoon_dist.image.perceptual_hash import likeness
from cartoon_dist.image.png import encode_png

FLAT, NEAR = "every tile is flat", "near-duplicate of "
"""The reasons of pictures that were left out by the settings, not because they are broken."""


_FLAT_LEVELS = 12
"""A label whose values lie no further apart (0..255) says nothing: no method found a thing to look at."""


@dataclass(frozen=True)
class Task:
    """One picture to prepare, the file that holds it, and its position among all pictures of the job."""

    position: int
    path: Path
    picture: Source


@dataclass(frozen=True)
class PreparedSample:
    """A sample ready to be written: its key and each member's bytes."""

    key: str
    members: dict[str, bytes]
    has_flat_label: bool = False


@dataclass(frozen=True)
class Prepared:
    """What became of a task: its samples, or the reason why there are none."""

    task: Task
    samples: tuple[PreparedSample, ...]
    reason: str | None = None
    looks: int = 0
    """The likeness of the whole picture; a frame's is that by which it was chosen."""
    damage: str | None = None
    """What is wrong with a picture that was taken all the same."""


def is_broken(reason: str | None) -> bool:
    """Whether a reason tells of a picture that cannot be used, and not of one that the settings leave out."""
    return reason is not None and reason != FLAT and not reason.startswith(NEAR)


def prepare(task: Task, domain: Domain, settings: ShardSettings) -> Prepared:
    """Turn a picture file into its samples; a picture that cannot be used comes back with the reason."""
    try:
        picture, data, damage = _load(task, settings)
        crops = _crops(picture, settings)
        given = _given_map(task, domain, settings, picture)
        samples = [
            _sample(task, domain, settings, square, data, number if settings.crop == "tile" else None, given)
            for number, square in enumerate(crops)
        ]
    except PictureError as error:
        return Prepared(task, (), str(error))
    except OSError as error:
        return Prepared(task, (), f"cannot be read ({error.strerror})")
    except MemoryError:
        return Prepared(task, (), "does not fit the memory")
    return Prepared(task, tuple(samples), None if samples else FLAT, _looks(task, picture), damage)


def look(task: Task, domain: Domain, settings: ShardSettings) -> int | None:
    """The likeness of a picture that `prepare` will make samples of, for a fraction of the time; None for others."""
    try:
        picture = _load(task, settings)[0]
        _given_map(task, domain, settings, picture)
        return _looks(task, picture) if _crops(picture, settings) else None
    except (PictureError, OSError, MemoryError):
        return None


def flaw(task: Task, domain: Domain, settings: ShardSettings) -> str | None:
    """Why a picture cannot be used, as `prepare` would say, for a fraction of the time; None for one that can be."""
    try:
        picture = _load(task, settings)[0]
        _given_map(task, domain, settings, picture)
    except PictureError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except MemoryError:
        return "does not fit the memory"
    return None


def _looks(task: Task, picture: Picture) -> int:
    frame = task.picture.frame
    return likeness(picture) if frame is None else int(frame.looks, 16)


def _load(task: Task, settings: ShardSettings) -> tuple[Picture, bytes | None, str | None]:
    """The task's picture; its file's bytes if any reader sees the same in them; and what is wrong with the file."""
    max_megapixels = settings.max_megapixels
    if task.picture.frame is None:
        data = read_regular(task.path, max_bytes=max_file_bytes(max_megapixels))
        decoded = decode_file(data, max_megapixels=max_megapixels, damaged=settings.damaged)
        return decoded.picture, data if decoded.as_stored else None, decoded.complaint
    # Imported here: most jobs read no video.
    from cartoon_dist.data.inputs.video import read_frame

    return read_frame(task.path, task.picture.frame, max_megapixels=max_megapixels), None, None


def _crops(picture: Picture, settings: ShardSettings) -> list[crop.Crop]:
    size = settings.image_size
    if settings.crop == "resize":
        return [crop.resize(picture, size=size)]
    return crop.tile(picture, size=size, scales=settings.scales, flat_below=settings.flat_below)


def _given_map(task: Task, domain: Domain, settings: ShardSettings, picture: Picture) -> Picture | None:
    """The whole picture's label when somebody else made it."""
    folder = settings.saliency.external
    if domain == "cartoon" or folder is None:
        return None
    # A map of the square that is cut out could belong to any tile.
    size, original = settings.image_size if settings.crop == "resize" else 0, (picture.shape[1], picture.shape[0])
    return read_map(task.picture, Path(folder), original=original, size=size, max_megapixels=settings.max_megapixels)


def _sample(
    task: Task,
    domain: Domain,
    settings: ShardSettings,
    square: crop.Crop,
    data: bytes | None,
    number: int | None,
    given: Picture | None,
) -> PreparedSample:
    ending, stored = _stored(square, data)
    if given is not None:
        label = cut_map(given, square)
    elif domain == "photo":
        label = _saliency(square.pixels, settings)
    else:
        label = smooth_edges(square.pixels)
    members = {
        f"{domain}.{ending}": stored,
        LABEL_MEMBER[domain]: encode_png(label),
        RECORD_MEMBER: _record(task.picture, square),
    }
    has_flat_label = domain == "photo" and int(np.ptp(label)) <= _FLAT_LEVELS
    return PreparedSample(sample_key(task.position, task.picture.title, number), members, has_flat_label)


def _stored(square: crop.Crop, data: bytes | None) -> tuple[str, bytes]:
    """A file that already is the square passes through byte for byte: nothing is lost, and it stays small."""
    if square.untouched and data is not None:
        return {"jpeg": "jpg", "png": "png"}[read_header(data).kind], data
    return "png", encode_png(square.pixels)


def _saliency(photo: Picture, settings: ShardSettings) -> Picture:
    # Imported here: a cartoon job's workers need not wait for it.
    from cartoon_dist.saliency.label import label

    saliency = label(photo, variant=settings.saliency.variant)
    return np.rint(saliency * 255).astype(np.uint8)


def _record(picture: Source, square: crop.Crop) -> bytes:
    size = square.pixels.shape[0]
    values = {
        "source": picture.name,
        "scene": picture.scene,
        "split": picture.split,
        "size": [size, size],
        "original": list(square.original),
        "scaled": list(square.scaled),
        "box": [square.left, square.top, square.left + size, square.top + size],
    }
    return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
