"""Scores against a folder of pictures: of another folder, whatever made it, or of what a run generates."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.inputs.not_pictures import explain_no_pictures, explain_not_picture, explain_video
from cartoon_dist.data.inputs.search import IgnoredFiles, pictures_under
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError, PictureError
from cartoon_dist.files.bounded import read_regular, sha256_of
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.image.decode import Picture, decode, max_file_bytes
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.metrics.features import Extractor, extract_features
from cartoon_dist.metrics.frechet_kid import distances_with_uncertainty
from cartoon_dist.metrics.generated import generated_pictures, shard_pictures
from cartoon_dist.metrics.score_file import Score, one_score_per_metric, require_finite_scores
from cartoon_dist.metrics.scoring import (
    ScoredGenerator,
    extraction_settings,
    generated_store,
    open_shards,
    shared_score_fields,
)
from cartoon_dist.tensors import Bytes

_MEGAPIXELS = 200.0
_VIDEO_HINT = "its {} videos are not scored: take frames out with 'ffmpeg -i FILM frames/%06d.png' and give that folder"


class PictureFolder:
    """The pictures under a folder, in the order of their paths, all of one size; PictureError where there are none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ignored = IgnoredFiles()
        if not folder.is_dir():
            instead = (
                explain_video(folder)
                or explain_not_picture(str(folder))
                or "is a file; give the folder of the pictures"
            )
            raise PictureError(f"{folder}: {instead if folder.exists() else 'there is no such folder; check the path'}")
        self.paths = pictures_under(folder, self.ignored)
        if not self.paths:
            raise PictureError(explain_no_pictures(str(folder), self.ignored, video_hint=_VIDEO_HINT))
        self.shape = _read_picture(self.paths[0]).shape

    def __len__(self) -> int:
        return len(self.paths)

    def fingerprint(self) -> str:
        """A hash of all the files' bytes, in order. The processes share the reading, and wait for one another."""
        mine = range(collectives.rank(), len(self), collectives.world_size())
        parts = collectives.all_gather([(index, _hash(self.paths[index])) for index in mine])
        hashes = dict(pair for part in parts for pair in part)
        return hashlib.sha256("".join(hashes[index] for index in range(len(self))).encode()).hexdigest()

    def pictures(self, indices: Sequence[int]) -> Bytes:
        """The pictures of these indices, n 3 h w; PictureError for one that is damaged, or of another size."""
        pictures = []
        for index in indices:
            picture = _read_picture(self.paths[index])
            if picture.shape != self.shape:
                raise PictureError(
                    f"{self.paths[index]}: is {picture.shape[1]} x {picture.shape[0]}, {self.paths[0].name} "
                    f"{self.shape[1]} x {self.shape[0]}; a score wants pictures of one size in a folder"
                )
            pictures.append(picture)
        return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def _require_not_nested(generated: Path, real: Path) -> None:
    """ConfigError where one folder is inside the other: its pictures would be on both sides."""
    for inner, outer in ((generated, real), (real, generated)):
        if outer.resolve() in inner.resolve().parents:
            raise ConfigError(f"{inner}: is inside {outer}, so its pictures would be on both sides; move it out of it")


def _hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); mend it or leave it out") from None


def _read_picture(path: Path) -> Picture:
    """PictureError with the picture's name for one that cannot be read or is not whole."""
    try:
        return decode(read_regular(path, max_bytes=max_file_bytes(_MEGAPIXELS)), max_megapixels=_MEGAPIXELS)
    except PictureError as error:
        raise PictureError(f"{path}: {error}; mend it or leave it out") from None
    except OSError as error:
        raise PictureError(f"{path}: cannot be read ({error.strerror}); mend it or leave it out") from None


@without_tf32()
def score_folders(
    generated: Path, real: Path, settings: TrainSettings, extractor: Extractor, *, warn: Callable[[str], None]
) -> list[Score]:
    """Distances of one folder's pictures to another's. All processes take part and get the same scores."""
    _require_not_nested(generated, real)
    sides = (_open_folder(generated, warn), _open_folder(real, warn))
    vectors, fingerprints = zip(*(_folder_features(side, settings, extractor, warn) for side in sides), strict=True)
    seen = extraction_settings(extractor, settings.score.batch_size)
    base = shared_score_fields(
        extractor,
        num_generated=len(sides[0]),
        num_real=len(sides[1]),
        step=0,
        protocol={
            "subject": "folder",
            "photos": {"folder": str(generated), "fingerprint": fingerprints[0]},
            "cartoons": {"folder": str(real), "fingerprint": fingerprints[1]},
            "pixels": [list(side.shape[:2]) for side in sides],
            **seen,
        },
    )
    measured = distances_with_uncertainty(extractor.kind, *vectors, num_subsamples=settings.score.subsamples)
    return require_finite_scores(one_score_per_metric(base, measured))


@without_tf32()
def score_generator_against_folder(
    subject: ScoredGenerator, real: Path, settings: TrainSettings, extractor: Extractor, *, warn: Callable[[str], None]
) -> list[Score]:
    """Distances of what a generator makes of its run's photos, those of `score.photos`, to a folder's pictures.

    All processes take part and get the same scores. PictureError or ShardError, before anything is generated, where
    there is nothing to generate from or to compare with.
    """
    photos, folder = open_shards(settings.data.photos, "photo", settings), _open_folder(real, warn)
    store = generated_store(subject, settings, extractor, photos)
    pictures = generated_pictures(
        shard_pictures(photos, size=settings.image_size), subject.generator, subject.device, subject.dtype
    )
    vectors, fingerprint = _folder_features(folder, settings, extractor, warn)
    generated = extract_features(
        pictures, len(photos), extractor, batch_size=settings.score.batch_size, store=store, are_decoded=False
    )
    if store.write_error:
        warn(store.write_error)
    store.remove()
    side = min(settings.image_size, photos.manifest.image_size)
    base = shared_score_fields(
        extractor,
        num_generated=len(photos),
        num_real=len(folder),
        step=subject.step,
        protocol={
            "weights": subject.weights,
            "generator_sha256": subject.sha256,
            "photos": {"split": settings.score.photos, "fingerprint": photos.fingerprint()},
            "cartoons": {"folder": str(real), "fingerprint": fingerprint},
            "pixels": [[side, side], list(folder.shape[:2])],
            **extraction_settings(extractor, settings.score.batch_size),
        },
    )
    return require_finite_scores(
        one_score_per_metric(
            base,
            distances_with_uncertainty(extractor.kind, generated, vectors, num_subsamples=settings.score.subsamples),
        )
    )


def _open_folder(path: Path, warn: Callable[[str], None]) -> PictureFolder:
    folder = PictureFolder(path)
    for line in folder.ignored.lines():
        warn(f"{path}: {line}")
    return folder


def _folder_features(
    folder: PictureFolder, settings: TrainSettings, extractor: Extractor, warn: Callable[[str], None]
) -> tuple[Float[Tensor, "n c"], str]:
    """The feature vectors of a folder's pictures, kept for the next score, and its fingerprint."""
    size, fingerprint = settings.score.batch_size, folder.fingerprint()
    made_from = {"folder": fingerprint, "seen": extraction_settings(extractor, size)}
    store = FeatureStore(Path(settings.data.cache) / "features", made_from)
    vectors = extract_features(folder.pictures, len(folder), extractor, batch_size=size, store=store)
    if store.write_error:
        warn(store.write_error)
    return vectors, fingerprint
