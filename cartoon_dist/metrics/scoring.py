"""A generator's scores, with the protocol that makes each number comparable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.distributed.devices import without_tf32
from cartoon_dist.errors import ShardError
from cartoon_dist.metrics.content import content
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.metrics.features import Extractor, features
from cartoon_dist.metrics.frechet_kid import measure_all
from cartoon_dist.metrics.generated import drawn, stored
from cartoon_dist.metrics.label_error import constant_map, label_error
from cartoon_dist.metrics.score_file import Score, checked, each
from cartoon_dist.models.generator import DrawingNetwork
from cartoon_dist.pretrained import known

TF32 = "off"
"""On a GPU torch makes convolutions in TF32 unless it is told otherwise: scores would differ from a CPU's."""
_PACKAGES = ("cartoon-dist", "torch", "torch-fidelity", "numpy", "scipy")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is scored: a generator on its device, and how it is named in the protocol."""

    generator: DrawingNetwork
    weights: str
    step: int
    sha256: str
    device: torch.device
    dtype: torch.dtype


@without_tf32()
def score(subject: Subject, settings: TrainSettings, seen_by: Extractor, *, warn: Callable[[str], None]) -> list[Score]:
    """Drawings of the run's photos against all of its cartoons. All processes take part and get the same scores.

    Raises ShardError where there is no photo to draw or no cartoon to compare with.
    """
    photos = opened(settings.data.photos, "photo", settings)
    cartoons = opened(settings.data.cartoons, "cartoon", settings)
    pictures = drawn(stored(photos, size=settings.image_size), subject.generator, subject.device, subject.dtype)
    size, kept = settings.score.batch_size, stores(subject, settings, seen_by, photos, cartoons)
    generated = features(pictures, len(photos), seen_by, batch_size=size, store=kept[0])
    shown = stored(cartoons, size=settings.image_size)
    real = features(shown, len(cartoons), seen_by, batch_size=size, store=kept[1])
    for store in kept:
        if store.unwritten:
            warn(store.unwritten)
    kept[0].remove()  # of use to this score alone; the cartoons' are of use to the style's next one
    base = without_value(
        seen_by,
        num_generated=len(photos),
        num_real=len(cartoons),
        step=subject.step,
        protocol=_protocol(subject, settings, seen_by, photos, cartoons),
    )
    measured = measure_all(seen_by.kind, generated, real, num_subsamples=settings.score.subsamples)
    return checked(
        each(base, measured) + _content_scores(subject, settings, base, photos) + _label_scores(subject, settings, base)
    )


def without_value(
    seen_by: Extractor, *, num_generated: int, num_real: int, step: int, protocol: Mapping[str, Any]
) -> Score:
    """What all scores of one comparison share: `scores.each` adds each metric and its value."""
    return Score(
        metric="",
        value=0.0,
        features=seen_by.kind,
        weights_sha256=seen_by.weights_sha256,
        num_generated=num_generated,
        num_real=num_real,
        step=step,
        protocol=protocol,
    )


def stores(
    subject: Subject, settings: TrainSettings, seen_by: Extractor, photos: Shards, cartoons: Shards
) -> tuple[FeatureStore, FeatureStore]:
    """Where the vectors of the drawings and of the cartoons are kept, in `data.cache`."""
    of_cartoons = {"fingerprint": cartoons.fingerprint(), "split": "all", "pixels": settings.image_size}
    seen = seen_from(seen_by, settings.score.batch_size)
    return (
        store_of_drawings(subject, settings, seen_by, photos),
        FeatureStore(Path(settings.data.cache) / "features", {"cartoons": of_cartoons, "seen": seen}),
    )


def store_of_drawings(subject: Subject, settings: TrainSettings, seen_by: Extractor, photos: Shards) -> FeatureStore:
    """Where the vectors of the drawings are kept until their score is made."""
    of_photos = {"fingerprint": photos.fingerprint(), "split": settings.score.photos, "pixels": settings.image_size}
    drawn_by = {"sha256": subject.sha256, "dtype": str(subject.dtype), "upsample": settings.upsample}
    seen = seen_from(seen_by, settings.score.batch_size)
    made_from = {"photos": of_photos, "generator": drawn_by, "seen": seen}
    return FeatureStore(Path(settings.data.cache) / "features", made_from)


def seen_from(seen_by: Extractor, batch_size: int) -> dict[str, Any]:
    """All that a picture's features depend on beside the picture."""
    return {
        **{key: getattr(seen_by, key) for key in ("kind", "layer", "weights_sha256", "resize")},
        "device": torch.cuda.get_device_name() if seen_by.device.type == "cuda" else seen_by.device.type,
        "batch_size": batch_size,
        "tf32": TF32,
        "versions": {package: version(package) for package in _PACKAGES},
    }


def opened(folder: str, domain: str, settings: TrainSettings) -> Shards:
    """The photos of the chosen split, or all cartoons; ShardError where there are none."""
    split = settings.score.photos if domain == "photo" else None
    shards = Shards(folder=Path(folder), domain=domain, split=split)
    if not len(shards):
        raise ShardError(
            f"{folder}: holds no {'held-out ' if split == 'test' else ''}{domain}s to score; build the shards with "
            "test_fraction=0.1, or score the training photos with score.photos=train"
        )
    return shards


def _protocol(
    subject: Subject, settings: TrainSettings, seen_by: Extractor, photos: Shards, cartoons: Shards
) -> dict[str, Any]:
    return {
        "weights": subject.weights,
        "generator_sha256": subject.sha256,
        "photos": {"split": settings.score.photos, "fingerprint": photos.fingerprint()},
        "cartoons": {"split": "all", "fingerprint": cartoons.fingerprint()},
        "pixels": min(settings.image_size, photos.manifest.image_size),
        "layer": seen_by.layer,
        "resize": seen_by.resize,
        "tf32": TF32,
        "versions": {package: version(package) for package in _PACKAGES},
    }


def _content_scores(subject: Subject, settings: TrainSettings, base: Score, photos: Shards) -> list[Score]:
    """How far drawings are from their photos, where `score.content` asks for it."""
    if not settings.score.content:
        return []
    folder = Path(settings.weights_folder)
    found = content(photos, subject.generator, folder, subject.device, subject.dtype, size=settings.image_size)
    more = {"compared": "each drawing with its photo", "layer": "LPIPS's five", "resize": "none"}
    compared = replace(base, features="lpips_vgg16", weights_sha256=known("vgg16").sha256, num_real=len(photos))
    return each(compared, {metric: (value, more) for metric, value in found.items()})


def _label_scores(subject: Subject, settings: TrainSettings, base: Score) -> list[Score]:
    """S's error on training and held-out photos beside the constant map's; none without a saliency network."""
    folder = Path(settings.data.photos)
    splits = {split: Shards(folder=folder, domain="photo", split=split) for split in ("train", "test")}
    if subject.generator.saliency is None or not len(splits["train"]):
        return []
    constant = constant_map(splits["train"])
    scores = []
    for split, shards in splits.items():
        if len(shards):
            error = label_error(shards, subject.generator, constant, subject.device, subject.dtype)
            more = {"constant_map": error.constant, "constant_map_is": "the per-pixel median of the training labels"}
            scores.append(
                replace(
                    base,
                    metric=f"saliency_l1_{split}",
                    value=error.network,
                    features="none",
                    weights_sha256="",
                    num_generated=len(shards),
                    num_real=len(shards),
                    protocol={**base.protocol, **more},
                )
            )
    return scores
