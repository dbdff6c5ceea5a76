"""A generator's scores, with the protocol that makes each number comparable."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.errors import ShardError
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.metrics.content import content_lpips
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.metrics.features import Extractor, extract_features
from cartoon_dist.metrics.frechet_kid import distances_with_uncertainty
from cartoon_dist.metrics.generated import generated_pictures, shard_pictures
from cartoon_dist.metrics.saliency_l1 import constant_map, saliency_l1
from cartoon_dist.metrics.score_file import Score, one_score_per_metric, require_finite_scores
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.pretrained import known_weights

TF32 = "off"
"""On a GPU torch computes convolutions in TF32 by default; scores would differ from a CPU's."""
_PACKAGES = ("cartoon-dist", "torch", "torch-fidelity", "numpy", "scipy")


@dataclass(frozen=True, kw_only=True)
class ScoredGenerator:
    """The generator that is scored, on its device, and what the protocol says of it."""

    generator: CartoonGenerator
    weights: str
    step: int
    sha256: str
    device: torch.device
    dtype: torch.dtype


@without_tf32()
def score_generator(
    subject: ScoredGenerator, settings: TrainSettings, extractor: Extractor, *, warn: Callable[[str], None]
) -> list[Score]:
    """Pictures generated from the run's photos against all of its cartoons. All processes take part and get the same
    scores.

    Raises ShardError where there is no photo to generate from or no cartoon to compare with.
    """
    photos = open_shards(settings.data.photos, "photo", settings)
    cartoons = open_shards(settings.data.cartoons, "cartoon", settings)
    pictures = generated_pictures(
        shard_pictures(photos, size=settings.image_size), subject.generator, subject.device, subject.dtype
    )
    size, stores = settings.score.batch_size, feature_stores(subject, settings, extractor, photos, cartoons)
    generated = extract_features(pictures, len(photos), extractor, batch_size=size, store=stores[0], are_decoded=False)
    real_pictures = shard_pictures(cartoons, size=settings.image_size)
    real = extract_features(real_pictures, len(cartoons), extractor, batch_size=size, store=stores[1])
    for store in stores:
        if store.write_error:
            warn(store.write_error)
    stores[0].remove()  # no other score can use them; the cartoons' are read again by the style's next score
    base = shared_score_fields(
        extractor,
        num_generated=len(photos),
        num_real=len(cartoons),
        step=subject.step,
        protocol=_protocol(subject, settings, extractor, photos, cartoons),
    )
    measured = distances_with_uncertainty(extractor.kind, generated, real, num_subsamples=settings.score.subsamples)
    return require_finite_scores(
        one_score_per_metric(base, measured)
        + _content_scores(subject, settings, base, photos)
        + _label_scores(subject, settings, base)
    )


def shared_score_fields(
    extractor: Extractor, *, num_generated: int, num_real: int, step: int, protocol: Mapping[str, Any]
) -> Score:
    """The fields that all scores of one comparison share: `one_score_per_metric` adds each metric and its value."""
    return Score(
        metric="",
        value=0.0,
        features=extractor.kind,
        weights_sha256=extractor.weights_sha256,
        num_generated=num_generated,
        num_real=num_real,
        step=step,
        protocol=protocol,
    )


def feature_stores(
    subject: ScoredGenerator, settings: TrainSettings, extractor: Extractor, photos: Shards, cartoons: Shards
) -> tuple[FeatureStore, FeatureStore]:
    """Where the vectors of the generated pictures and of the cartoons are kept, in `data.cache`."""
    of_cartoons = {"fingerprint": cartoons.fingerprint(), "split": "all", "pixels": settings.image_size}
    seen = extraction_settings(extractor, settings.score.batch_size)
    return (
        generated_store(subject, settings, extractor, photos),
        FeatureStore(Path(settings.data.cache) / "features", {"cartoons": of_cartoons, "seen": seen}),
    )


def generated_store(
    subject: ScoredGenerator, settings: TrainSettings, extractor: Extractor, photos: Shards
) -> FeatureStore:
    """Where the vectors of the generated pictures are kept until they are scored."""
    of_photos = {"fingerprint": photos.fingerprint(), "split": settings.score.photos, "pixels": settings.image_size}
    generator = {"sha256": subject.sha256, "dtype": str(subject.dtype), "upsample": settings.upsample}
    seen = extraction_settings(extractor, settings.score.batch_size)
    made_from = {"photos": of_photos, "generator": generator, "seen": seen}
    return FeatureStore(Path(settings.data.cache) / "features", made_from)


def extraction_settings(extractor: Extractor, batch_size: int) -> dict[str, Any]:
    """Everything that a picture's features depend on apart from the picture."""
    return {
        **{key: getattr(extractor, key) for key in ("kind", "layer", "weights_sha256", "resize")},
        "device": torch.cuda.get_device_name() if extractor.device.type == "cuda" else extractor.device.type,
        "batch_size": batch_size,
        "tf32": TF32,
        "versions": {package: version(package) for package in _PACKAGES},
    }


def open_shards(folder: str, domain: str, settings: TrainSettings) -> Shards:
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
    subject: ScoredGenerator, settings: TrainSettings, extractor: Extractor, photos: Shards, cartoons: Shards
) -> dict[str, Any]:
    return {
        "weights": subject.weights,
        "generator_sha256": subject.sha256,
        "photos": {"split": settings.score.photos, "fingerprint": photos.fingerprint()},
        "cartoons": {"split": "all", "fingerprint": cartoons.fingerprint()},
        "pixels": min(settings.image_size, photos.manifest.image_size),
        "layer": extractor.layer,
        "resize": extractor.resize,
        "tf32": TF32,
        "versions": {package: version(package) for package in _PACKAGES},
    }


def _content_scores(subject: ScoredGenerator, settings: TrainSettings, base: Score, photos: Shards) -> list[Score]:
    """LPIPS between generated pictures and their photos, where `score.content` asks for it."""
    if not settings.score.content:
        return []
    folder = Path(settings.weights_folder)
    values = content_lpips(photos, subject.generator, folder, subject.device, subject.dtype, size=settings.image_size)
    protocol = {"compared": "each drawing with its photo", "layer": "LPIPS's five", "resize": "none"}
    compared = replace(base, features="lpips_vgg16", weights_sha256=known_weights("vgg16").sha256, num_real=len(photos))
    return one_score_per_metric(compared, {metric: (value, protocol) for metric, value in values.items()})


def _label_scores(subject: ScoredGenerator, settings: TrainSettings, base: Score) -> list[Score]:
    """The saliency network's L1 error on training and held-out photos, beside the constant map's; empty without one."""
    folder = Path(settings.data.photos)
    splits = {split: Shards(folder=folder, domain="photo", split=split) for split in ("train", "test")}
    if subject.generator.saliency is None or not len(splits["train"]):
        return []
    constant = constant_map(splits["train"])
    scores = []
    for split, shards in splits.items():
        if len(shards):
            error = saliency_l1(shards, subject.generator, constant, subject.device, subject.dtype)
            protocol = {
                "constant_map": error.constant,
                "constant_map_is": "the per-pixel median of the training labels",
            }
            scores.append(
                replace(
                    base,
                    metric=f"saliency_l1_{split}",
                    value=error.network,
                    features="none",
                    weights_sha256="",
                    num_generated=len(shards),
                    num_real=len(shards),
                    protocol={**base.protocol, **protocol},
                )
            )
    return scores
