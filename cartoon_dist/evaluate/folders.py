"""A folder of pictures against another: the scores of drawings that anything made."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from cartoon_dist import distributed
from cartoon_dist.config import TrainSettings
from cartoon_dist.data.misplaced import film_instead, misplaced, no_pictures
from cartoon_dist.data.search import LeftOut, pictures_under
from cartoon_dist.devices import without_tf32
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.evaluate.features import Extractor, features
from cartoon_dist.evaluate.scores import Score, checked, each, measure_all
from cartoon_dist.evaluate.scoring import seen_from
from cartoon_dist.evaluate.store import FeatureStore
from cartoon_dist.files import read_regular, sha256_of
from cartoon_dist.pixels.decode import Picture, decode, max_file_bytes
from cartoon_dist.tensors import Bytes

_MEGAPIXELS = 200.0
_FILMS = "its {} videos are not scored: take frames out with 'ffmpeg -i FILM frames/%06d.png' and give that folder"


class Folder:
    """The pictures under a folder, in the order of their paths, all of one size; PictureError where there are none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left = LeftOut()
        if not folder.is_dir():
            instead = film_instead(folder) or misplaced(str(folder)) or "is a file; give the folder of the pictures"
            raise PictureError(f"{folder}: {instead if folder.exists() else 'there is no such folder; check the path'}")
        self.paths = pictures_under(folder, self.left)
        if not self.paths:
            raise PictureError(no_pictures(str(folder), self.left, films=_FILMS))
        self.shape = _decoded(self.paths[0]).shape

    def __len__(self) -> int:
        return len(self.paths)

    def fingerprint(self) -> str:
        """A hash of all the files' bytes, in order. The processes share the reading, and wait for one another."""
        mine = range(distributed.rank(), len(self), distributed.world_size())
        found = dict(one for part in distributed.gather([(n, _hash(self.paths[n])) for n in mine]) for one in part)
        return hashlib.sha256("".join(found[number] for number in range(len(self))).encode()).hexdigest()

    def pictures(self, numbers: Sequence[int]) -> Bytes:
        """The pictures of these numbers, n 3 h w; PictureError for one that is broken, or of another size."""
        held = []
        for number in numbers:
            picture = _decoded(self.paths[number])
            if picture.shape != self.shape:
                raise PictureError(
                    f"{self.paths[number]}: is {picture.shape[1]} x {picture.shape[0]}, {self.paths[0].name} "
                    f"{self.shape[1]} x {self.shape[0]}; a score wants pictures of one size in a folder"
                )
            held.append(picture)
        return torch.from_numpy(np.stack(held)).permute(0, 3, 1, 2).contiguous()


def _require_apart(drawings: Path, real: Path) -> None:
    """ConfigError where one folder holds the other: its pictures would stand on both sides."""
    for inner, outer in ((drawings, real), (real, drawings)):
        if outer.resolve() in inner.resolve().parents:
            raise ConfigError(f"{inner}: is inside {outer}, so its pictures would be on both sides; move it out of it")


def _hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); mend it or leave it out") from None


def _decoded(path: Path) -> Picture:
    """PictureError with the picture's name for one that cannot be read or is not whole."""
    try:
        return decode(read_regular(path, max_bytes=max_file_bytes(_MEGAPIXELS)), max_megapixels=_MEGAPIXELS)
    except PictureError as error:
        raise PictureError(f"{path}: {error}; mend it or leave it out") from None
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); mend it or leave it out") from None


@without_tf32()
def score_folders(
    drawings: Path, real: Path, settings: TrainSettings, seen_by: Extractor, *, warn: Callable[[str], None]
) -> list[Score]:
    """Distances of one folder's pictures to another's. All processes take part and get the same scores."""
    _require_apart(drawings, real)
    sides, prints, vectors = (Folder(drawings), Folder(real)), [], []
    for side in sides:
        for line in side.left.lines():
            warn(f"{side.folder}: {line}")
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
    return checked(each(base, measured))
