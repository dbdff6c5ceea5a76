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
from cartoon_dist.data.inputs.external_labels import crop_map, read_map
from cartoon_dist.data.inputs.sources import InputPicture
from cartoon_dist.errors import PictureError
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image import crop
from cartoon_dist.image.decode import Picture, decode_file, max_file_bytes
from cartoon_dist.image.edges import smooth_edges
from cartoon_dist.image.header import read_header
from cartoon_dist.image.perceptual_hash import perceptual_hash
from cartoon_dist.image.png import encode_png

FLAT_REASON, NEAR_DUPLICATE_REASON = "every tile is flat", "near-duplicate of "
"""Why pictures were skipped by the settings, not because they are broken."""


_FLAT_LEVELS = 12
"""A label whose values (0..255) differ by no more is flat: no method found a salient region."""


@dataclass(frozen=True)
class PictureTask:
    """One picture to prepare, the file that holds it, and its position among all pictures of the job."""

    position: int
    path: Path
    picture: InputPicture


@dataclass(frozen=True)
class PreparedSample:
    """A sample ready to be written: its key and each member's bytes."""

    key: str
    members: dict[str, bytes]
    has_flat_label: bool = False


@dataclass(frozen=True)
class PreparedPicture:
    """The result of a task: its samples, or the reason why there are none."""

    task: PictureTask
    samples: tuple[PreparedSample, ...]
    reason: str | None = None
    picture_hash: int = 0
    """The perceptual hash of the whole picture; for a frame the one by which it was chosen."""
    damage: str | None = None
    """What is wrong with a damaged picture that was taken nevertheless."""


def is_broken(reason: str | None) -> bool:
    """Whether a picture was skipped because it cannot be used, and not because of the settings."""
    return reason is not None and reason != FLAT_REASON and not reason.startswith(NEAR_DUPLICATE_REASON)


def prepare(task: PictureTask, domain: Domain, settings: ShardSettings) -> PreparedPicture:
    """Turn a picture file into its samples; a picture that cannot be used comes back with the reason."""
    try:
        picture, data, damage = _load(task, settings)
        crops = _crops(picture, settings)
        external_label = _external_label(task, domain, settings, picture)
        samples = [
            _sample(task, domain, settings, square, data, tile if settings.crop == "tile" else None, external_label)
            for tile, square in enumerate(crops)
        ]
    except PictureError as error:
        return PreparedPicture(task, (), str(error))
    except OSError as error:
        return PreparedPicture(task, (), f"cannot be read ({error.strerror})")
    except MemoryError:
        return PreparedPicture(task, (), "does not fit the memory")
    return PreparedPicture(task, tuple(samples), None if samples else FLAT_REASON, _picture_hash(task, picture), damage)


def hash_picture(task: PictureTask, domain: Domain, settings: ShardSettings) -> int | None:
    """The perceptual hash of a picture, in a fraction of the time of `prepare`; None if that would give no samples."""
    try:
        picture = _load(task, settings)[0]
        _external_label(task, domain, settings, picture)
        return _picture_hash(task, picture) if _crops(picture, settings) else None
    except (PictureError, OSError, MemoryError):
        return None


def check_picture(task: PictureTask, domain: Domain, settings: ShardSettings) -> str | None:
    """Why a picture cannot be used, as `prepare` says it, in a fraction of the time; None for one that can be used."""
    try:
        picture = _load(task, settings)[0]
        _external_label(task, domain, settings, picture)
    except PictureError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except MemoryError:
        return "does not fit the memory"
    return None


def _picture_hash(task: PictureTask, picture: Picture) -> int:
    frame = task.picture.frame
    return perceptual_hash(picture) if frame is None else int(frame.looks, 16)


def _load(task: PictureTask, settings: ShardSettings) -> tuple[Picture, bytes | None, str | None]:
    """The task's picture; the file's bytes if every reader decodes them to the same pixels; and the damage to it."""
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
        return [crop.resize_and_crop(picture, size=size)]
    return crop.tile(picture, size=size, scales=settings.scales, flat_below=settings.flat_below)


def _external_label(task: PictureTask, domain: Domain, settings: ShardSettings, picture: Picture) -> Picture | None:
    """The whole picture's label from `saliency.external`; None where labels are computed here."""
    folder = settings.saliency.external
    if domain == "cartoon" or folder is None:
        return None
    # With tiles a map of image_size would not say which square it belongs to.
    size, original = settings.image_size if settings.crop == "resize" else 0, (picture.shape[1], picture.shape[0])
    return read_map(task.picture, Path(folder), original=original, size=size, max_megapixels=settings.max_megapixels)


def _sample(
    task: PictureTask,
    domain: Domain,
    settings: ShardSettings,
    square: crop.Crop,
    data: bytes | None,
    tile: int | None,
    external_label: Picture | None,
) -> PreparedSample:
    ending, stored = _stored(square, data)
    if external_label is not None:
        label = crop_map(external_label, square)
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
    return PreparedSample(sample_key(task.position, task.picture.title, tile), members, has_flat_label)


def _stored(square: crop.Crop, data: bytes | None) -> tuple[str, bytes]:
    """The member's ending and bytes. A file that already is the square is stored byte for byte: lossless, and small."""
    if square.untouched and data is not None:
        return {"jpeg": "jpg", "png": "png"}[read_header(data).file_format], data
    return "png", encode_png(square.pixels)


def _saliency(photo: Picture, settings: ShardSettings) -> Picture:
    # Imported here: a cartoon job's workers need not wait for it.
    from cartoon_dist.saliency.label import label

    saliency = label(photo, variant=settings.saliency.variant)
    return np.rint(saliency * 255).astype(np.uint8)


def _record(picture: InputPicture, square: crop.Crop) -> bytes:
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
