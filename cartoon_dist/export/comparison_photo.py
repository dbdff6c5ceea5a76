"""The photo on which an exported generator is compared with the trained one."""

from pathlib import Path

import torch

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.remote.fetch import local_folder
from cartoon_dist.errors import ConfigError, PictureError, ShardError
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image.decode import Picture, decode, max_file_bytes
from cartoon_dist.runs.trained import TrainedGenerator
from cartoon_dist.tensors import Bytes

_LONGEST = 1024
"""A photo to compare on is cut to this: the comparison runs both generators on the CPU."""
_MAX_MEGAPIXELS = 200


def comparison_photo(loaded: TrainedGenerator, file: Path | None) -> Bytes:
    """A photo, 1 3 h w, sides multiples of 4: from the file, or one that the run knows, a held-out one where there is
    any. ConfigError where there is none that can be used."""
    return _from_shards(loaded) if file is None else _from_file(file)


def _from_shards(loaded: TrainedGenerator) -> Bytes:
    try:
        folder = local_folder(loaded.settings.data.photos, loaded.settings.data.cache)
        for split in ("test", "train"):
            shards = Shards(folder=folder, domain="photo", split="test" if split == "test" else "train")
            if len(shards):
                return _crop(shards.read(0).picture)
    except ShardError as error:
        raise ConfigError(f"{error}; or give a photo to compare on: photo=FILE") from None
    raise ConfigError(f"{folder}: holds no photos; give one to compare on: photo=FILE")


def _from_file(path: Path) -> Bytes:
    try:
        data = read_regular(path, max_bytes=max_file_bytes(_MAX_MEGAPIXELS))
        return _crop(decode(data, max_megapixels=_MAX_MEGAPIXELS))
    except PictureError as error:
        raise ConfigError(f"{path}: {error}; give another photo") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a photo") from None


def _crop(picture: Picture) -> Bytes:
    """The upper left of a photo that the networks can draw."""
    height, width = (min(side, _LONGEST) // 4 * 4 for side in picture.shape[:2])
    if min(height, width) < 8:
        raise ConfigError("the photo to compare on is smaller than 8 x 8 pixels; give a larger one with photo=FILE")
    pixels = torch.from_numpy(picture[:height, :width].copy())
    return pixels.permute(2, 0, 1)[None].contiguous()  # 1 3 h w
