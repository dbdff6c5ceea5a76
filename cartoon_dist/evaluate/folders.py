"""A folder of pictures against another: the scores of drawings that anything made."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from cartoon_dist import distributed
from cartoon_dist.config import TrainSettings
from cartoon_dist.data.sources import pictures_under
from cartoon_dist.devices import without_tf32
from cartoon_dist.errors import PictureError
from cartoon_dist.evaluate.features import Extractor, features
from cartoon_dist.evaluate.scores import Score, each, measure_all
from cartoon_dist.evaluate.scoring import seen_from
from cartoon_dist.evaluate.store import FeatureStore
from cartoon_dist.files import sha256_of
from cartoon_dist.pixels.decode import decode
from cartoon_dist.tensors import Bytes

_MEGAPIXELS = 200.0


class Folder:
    """The pictures under a folder, in the order of their paths, all of one size; PictureError where there are none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(pictures_under(folder)) if folder.is_dir() else []
        if not self.paths:
            raise PictureError(f"{folder}: no pictures in it; give a folder of pictures")
        self.shape = decode(self.paths[0].read_bytes(), max_megapixels=_MEGAPIXELS).shape

    def __len__(self) -> int:
        return len(self.paths)

    def fingerprint(self) -> str:
        """A hash of all the files' bytes, in order. The processes share the reading, and wait for one another."""
        mine = range(distributed.rank(), len(self), distributed.world_size())
        found = dict(one for part in distributed.gather([(n, sha256_of(self.paths[n])) for n in mine]) for one in part)
        return hashlib.sha256("".join(found[number] for number in range(len(self))).encode()).hexdigest()

    def pictures(self, numbers: Sequence[int]) -> Bytes:
        """The pictures of these numbers, n 3 h w; PictureError for one that is broken, or of another size."""
        held = []
        for number in numbers:
            picture = decode(self.paths[number].read_bytes(), max_megapixels=_MEGAPIXELS)
            if picture.shape != self.shape:
                raise PictureError(
                    f"{self.paths[number]}: is {picture.shape[1]}x{picture.shape[0]}, {self.paths[0].name} "
                    f"{self.shape[1]}x{self.shape[0]}; a score wants pictures of one size in a folder"
                )
            held.append(picture)
        return torch.from_numpy(np.stack(held)).permute(0, 3, 1, 2).contiguous()


@without_tf32()
def score_folders(
    drawings: Path, real: Path, settings: TrainSettings, seen_by: Extractor, *, warn: Callable[[str], None]
) -> list[Score]:
    """Distances of one folder's pictures to another's. All processes take part and get the same scores."""
    sides, prints, vectors = (Folder(drawings), Folder(real)), [], []
    seen = seen_from(seen_by, settings.score.batch_size)
    for side in sides:
        prints.append(side.fingerprint())
        store = FeatureStore(Path(settings.data.cache) / "features", {"folder": prints[-1], "seen": seen})
        vectors.append(features(side.pictures, len(side), seen_by, batch_size=settings.score.batch_size, store=store))
        if store.unwritten:
            warn(store.unwritten)
    base = Score(
        metric="",
        value=0.0,
        features=seen_by.kind,
        weights_sha256=seen_by.weights_sha256,
        num_generated=len(sides[0]),
        num_real=len(sides[1]),
        step=0,
        protocol={
            "subject": "folder",
            "photos": {"folder": str(drawings), "fingerprint": prints[0]},
            "cartoons": {"folder": str(real), "fingerprint": prints[1]},
            "pixels": [list(side.shape[:2]) for side in sides],
            **seen,
        },
    )
    measured = measure_all(seen_by.kind, *vectors, num_subsamples=settings.score.subsamples)
    return each(base, measured)
