"""Drawings against a folder of pictures: those in another folder, that anything made, or those of a run."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.inputs.not_pictures import film_instead, misplaced, no_pictures
from cartoon_dist.data.inputs.search import LeftOut, pictures_under
from cartoon_dist.distributed import collectives
from cartoon_dist.distributed.devices import without_tf32
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.atomic import read_regular, sha256_of
from cartoon_dist.image.decode import Picture, decode, max_file_bytes
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.metrics.features import Extractor, features
from cartoon_dist.metrics.frechet_kid import measure_all
from cartoon_dist.metrics.generated import drawn, stored
from cartoon_dist.metrics.score_file import Score, checked, each
from cartoon_dist.metrics.scoring import Subject, opened, seen_from, store_of_drawings, without_value
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
        mine = range(collectives.rank(), len(self), collectives.world_size())
        found = dict(one for part in collectives.gather([(n, _hash(self.paths[n])) for n in mine]) for one in part)
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
    sides = (_searched(drawings, warn), _searched(real, warn))
    vectors, prints = zip(*(_seen(side, settings, seen_by, warn) for side in sides), strict=True)
    seen = seen_from(seen_by, settings.score.batch_size)
    base = without_value(
        seen_by,
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


@without_tf32()
def score_drawings(
    subject: Subject, real: Path, settings: TrainSettings, seen_by: Extractor, *, warn: Callable[[str], None]
) -> list[Score]:
    """Distances of what a generator draws of its run's photos, `score.photos` of them, to a folder's pictures.

    All processes take part and get the same scores. PictureError or ShardError, before anything is drawn, where there
    is nothing to draw or to compare with.
    """
    photos, folder = opened(settings.data.photos, "photo", settings), _searched(real, warn)
    store = store_of_drawings(subject, settings, seen_by, photos)
    pictures = drawn(stored(photos, size=settings.image_size), subject.generator, subject.device, subject.dtype)
    vectors, fingerprint = _seen(folder, settings, seen_by, warn)
    generated = features(pictures, len(photos), seen_by, batch_size=settings.score.batch_size, store=store)
    if store.unwritten:
        warn(store.unwritten)
    store.remove()
    side = min(settings.image_size, photos.manifest.image_size)
    base = without_value(
        seen_by,
        num_generated=len(photos),
        num_real=len(folder),
        step=subject.step,
        protocol={
            "weights": subject.weights,
            "generator_sha256": subject.sha256,
            "photos": {"split": settings.score.photos, "fingerprint": photos.fingerprint()},
            "cartoons": {"folder": str(real), "fingerprint": fingerprint},
            "pixels": [[side, side], list(folder.shape[:2])],
            **seen_from(seen_by, settings.score.batch_size),
        },
    )
    return checked(each(base, measure_all(seen_by.kind, generated, vectors, num_subsamples=settings.score.subsamples)))


def _searched(place: Path, warn: Callable[[str], None]) -> Folder:
    folder = Folder(place)
    for line in folder.left.lines():
        warn(f"{place}: {line}")
    return folder


def _seen(
    folder: Folder, settings: TrainSettings, seen_by: Extractor, warn: Callable[[str], None]
) -> tuple[Float[Tensor, "n c"], str]:
    """The feature vectors of a folder's pictures, kept for the next score, and its fingerprint."""
    size, fingerprint = settings.score.batch_size, folder.fingerprint()
    made_from = {"folder": fingerprint, "seen": seen_from(seen_by, size)}
    store = FeatureStore(Path(settings.data.cache) / "features", made_from)
    vectors = features(folder.pictures, len(folder), seen_by, batch_size=size, store=store)
    if store.unwritten:
        warn(store.unwritten)
    return vectors, fingerprint
