"""Scores of a run's checkpoints: what training's end, launch/fid.py and the tables ask for."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.remote.fetch_per_node import fetch_shards
from cartoon_dist.distributed import collectives
from cartoon_dist.metrics.features import load_extractor
from cartoon_dist.metrics.folders import score_generator_against_folder
from cartoon_dist.metrics.score_file import Score, record_scores
from cartoon_dist.metrics.scoring import ScoredGenerator, open_shards, score_generator
from cartoon_dist.pretrained import resolve
from cartoon_dist.runs import checkpoint, trained
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import TrainedGenerator

_logger = logging.getLogger(__name__)
FEW = 2000
"""A Frechet distance of fewer pictures is biased upwards; a score of so few comes with a warning."""


def require_score_inputs(settings: TrainSettings) -> None:
    """WeightsError or ShardError now, rather than after days of training, when a score could not be made at its end."""
    resolve(settings.score.features, Path(settings.weights_folder), or_half=True)
    _require_content_weights(settings)
    open_shards(settings.data.photos, "photo", settings)


def score_checkpoint(model: Path, settings: TrainSettings, device: torch.device) -> list[Score]:
    """Score a checkpoint on all processes; rank 0 adds the scores to the run's scores.json and warns where they are of
    too few pictures."""
    return score_trained(trained.load(model, weights=settings.score.weights), settings, run_of(model), device)


def score_trained(
    generator: TrainedGenerator, settings: TrainSettings, run: RunFolder, device: torch.device
) -> list[Score]:
    """As `score_checkpoint`, of a generator that is loaded."""
    extractor = load_extractor(settings.score.features, Path(settings.weights_folder), device)
    _require_content_weights(settings)  # before anything is drawn
    scores = score_generator(_on_device(generator, device), fetch_shards(settings), extractor, warn=warn)
    _warn_of_few(scores)
    if collectives.is_main_process():
        record_scores(run.scores, scores)
    return scores


def score_trained_against(
    generator: TrainedGenerator, real: Path, settings: TrainSettings, device: torch.device
) -> list[Score]:
    """Score what a generator draws of its run's photos against a folder's pictures. It is no score of the run's style,
    so the run's scores.json is left as it is."""
    extractor = load_extractor(settings.score.features, Path(settings.weights_folder), device)
    scores = score_generator_against_folder(
        _on_device(generator, device), real, fetch_shards(settings), extractor, warn=warn
    )
    _warn_of_few(scores)
    return scores


def summarize(scores: Sequence[Score]) -> str:
    """`fid 171.20, kid 0.0513`."""
    return ", ".join(f"{score.metric} {score.value:.4g}" for score in scores)


def run_of(model: Path) -> RunFolder:
    """The run of a path: a run folder itself, or that of one of its checkpoints."""
    return RunFolder(model.parent if checkpoint.is_checkpoint(model) else model)


def warn(what: str) -> None:
    """Log a warning; commands print those of rank 0."""
    _logger.warning("%s", what)


def _on_device(generator: TrainedGenerator, device: torch.device) -> ScoredGenerator:
    return ScoredGenerator(
        generator=generator.generator.to(device),
        weights=generator.weights,
        step=generator.step,
        sha256=generator.sha256,
        device=device,
        dtype=next(generator.generator.parameters()).dtype,
    )


def _warn_of_few(scores: Sequence[Score]) -> None:
    if min(scores[0].num_generated, scores[0].num_real) < FEW:
        warn(
            f"{scores[0].num_generated} drawings against {scores[0].num_real} cartoons: a Frechet distance of "
            f"fewer than {FEW} is biased; compare it only with one of the same counts"
        )


def _require_content_weights(settings: TrainSettings) -> None:
    if settings.score.content:
        resolve("vgg16", Path(settings.weights_folder))
