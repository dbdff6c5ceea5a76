"""A generator's scores, with the protocol that makes each number comparable."""

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from cartoon_dist.config import TrainSettings
from cartoon_dist.data.read import Shards
from cartoon_dist.errors import ShardError
from cartoon_dist.evaluate.drawing import drawn, stored
from cartoon_dist.evaluate.features import Extractor, features
from cartoon_dist.evaluate.labels import constant_map, label_error
from cartoon_dist.evaluate.scores import Score, measure
from cartoon_dist.models.generator import DrawingNetwork

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


def score(subject: Subject, settings: TrainSettings, seen_by: Extractor) -> list[Score]:
    """Drawings of the run's photos against all of its cartoons. All processes take part and get the same scores.

    Raises ShardError where there is no photo to draw or no cartoon to compare with.
    """
    photos = opened(settings.data.photos, "photo", settings)
    cartoons = opened(settings.data.cartoons, "cartoon", settings)
    pictures = drawn(stored(photos, size=settings.image_size), subject.generator, subject.device, subject.dtype)
    size = settings.score.batch_size
    generated = features(pictures, len(photos), seen_by, batch_size=size)
    real = features(stored(cartoons, size=settings.image_size), len(cartoons), seen_by, batch_size=size)
    base = Score(
        metric="",
        value=0.0,
        features=seen_by.kind,
        weights_sha256=seen_by.weights_sha256,
        num_generated=len(photos),
        num_real=len(cartoons),
        step=subject.step,
        protocol=_protocol(subject, settings, seen_by, photos, cartoons),
    )
    measured = measure(seen_by.kind, generated, real)
    scores = [
        replace(base, metric=metric, value=value, protocol={**base.protocol, **more})
        for metric, (value, more) in measured.items()
    ]
    return scores + _label_scores(subject, settings, base)


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
        "versions": {package: version(package) for package in _PACKAGES},
    }


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
