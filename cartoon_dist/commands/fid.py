"""`launch/fid.py`: score a run, on any number of processes."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from cartoon_dist.commands.command_lines.fid import parser
from cartoon_dist.commands.main import EXIT_DONE, leave_at_once
from cartoon_dist.config import overrides
from cartoon_dist.config.command_line import parse, read_words, split, warn_of_renamed
from cartoon_dist.config.commands import CompareSettings
from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import did_you_mean, setting_paths
from cartoon_dist.console.messages import print_result
from cartoon_dist.cpu.malloc import reuse_freed_memory
from cartoon_dist.distributed import collectives, devices
from cartoon_dist.distributed.heartbeat import monitor
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.folder_kinds import is_run_or_checkpoint
from cartoon_dist.metrics.features import load_extractor
from cartoon_dist.metrics.folders import score_folders
from cartoon_dist.metrics.run_scores import (
    run_of,
    score_checkpoint,
    score_trained,
    score_trained_against,
    summarize,
    warn,
)
from cartoon_dist.metrics.score_file import Score, record_scores
from cartoon_dist.pretrained import default_folder
from cartoon_dist.report.refresh import ReportRefresher
from cartoon_dist.runs import trained
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.trackers.follow import send_what_is_new

SILENCE_SECONDS = 45.0
"""How long a process may be silent before the others give it up."""
_ALLOWED = ("weights", "score", "data", "weights_folder", "device")
"""Settings, and groups of them, that a score takes; `weights` is `score.weights` of the run's config."""


def main(argv: Sequence[str]) -> int:
    """Score as the command line says; the exit status."""
    arguments, comparison = read_command_line(argv)
    model, words = Path(arguments.run), arguments.settings
    collectives.init_process_group()
    # What the command line asks for, whatever the run was trained on.
    device = devices.choose_device(with_overrides(TrainSettings(run_dir=""), words).device)
    if device.type == "cpu":
        reuse_freed_memory()
    if comparison.against:
        return _score_against(model, words, comparison, device, untrained=arguments.untrained)
    if comparison.out:
        warn("out= has no effect without against=FOLDER; a run's scores go into its scores.json")
    try:
        score_one = _score_untrained if arguments.untrained else _score_run
        with monitor(SILENCE_SECONDS, leave_at_once):
            scores = score_one(model, words, device)
            if collectives.is_main_process():
                ReportRefresher(run_of(model)).refresh()
    finally:
        collectives.destroy_process_group()
    if collectives.is_main_process():
        send_what_is_new(run_of(model))
        print_result(f"{run_of(model).scores}: {summarize(scores)}")
    return EXIT_DONE


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, CompareSettings]:
    """RUN as `run`, the settings of a score as words in `settings`, and those of a comparison."""
    keys = [path for path in setting_paths(TrainSettings) if path.split(".")[0] in _ALLOWED]
    arguments = parse(parser(), argv, paths=("run",), keys=[*keys, *setting_paths(CompareSettings)])
    own, words = split(CompareSettings, arguments.settings, keys)
    arguments.settings = []
    for word in words:
        key, sign, value = word.partition("=")
        if key == "score.weights":
            warn_of_renamed(word, f"weights={value}")
        arguments.settings.append(f"score.weights{sign}{value}" if key == "weights" else word)
    return arguments, read_words(CompareSettings, own)


def _score_against(
    model: Path, words: Sequence[str], comparison: CompareSettings, device: torch.device, *, untrained: bool
) -> int:
    """Score a folder, or what a run draws, against a folder; print the scores, and keep them where asked to."""
    real = Path(comparison.against or "")
    is_run = is_run_or_checkpoint(model)
    if untrained and not is_run:
        warn("--untrained has no effect on a folder of drawings")
    try:
        with monitor(SILENCE_SECONDS, leave_at_once):
            if is_run:
                load = trained.load_initial if untrained else trained.load
                settings = with_overrides(load(model, weights="ema").settings, words)
                generator = load(model, weights=settings.score.weights)
                scores = score_trained_against(generator, real, settings, device)
            else:
                settings = with_overrides(TrainSettings(run_dir=""), words)
                extractor = load_extractor(settings.score.features, Path(settings.weights_folder), device)
                scores = score_folders(model, real, settings, extractor, warn=warn)
    finally:
        collectives.destroy_process_group()
    if collectives.is_main_process():
        if comparison.out:
            record_scores(Path(comparison.out), scores)
        name = f"step {scores[0].step} of {run_of(model).root}" if is_run else model
        print_result(f"{name} against {real}: {summarize(scores)}")
    return EXIT_DONE


def _score_run(model: Path, words: Sequence[str], device: torch.device) -> list[Score]:
    """Score a run's newest checkpoint, or a checkpoint."""
    if model.is_file():
        raise CheckpointError(f"{model}: is a file; a run or a checkpoint is scored, which knows its shards")
    loaded = trained.load(model, weights="ema")
    return score_checkpoint(loaded.source, with_overrides(loaded.settings, words), device)


def _score_untrained(run: Path, words: Sequence[str], device: torch.device) -> list[Score]:
    """Score the generator that a run began with; its step is 0."""
    settings = with_overrides(trained.load_initial(run, weights="ema").settings, words)
    return score_trained(trained.load_initial(run, weights=settings.score.weights), settings, RunFolder(run), device)


def with_overrides(settings: TrainSettings, words: Sequence[str]) -> TrainSettings:
    """The run's settings with those of the command over them; ConfigError for one that scoring must not change."""
    asked = overrides.parse_overrides(words)
    paths = setting_paths(TrainSettings)
    allowed = [path for path in paths if path.split(".")[0] in _ALLOWED]
    unknown = [path for path in overrides.flatten(asked) if path not in paths and path.split(".")[0] not in _ALLOWED]
    if unknown:
        raise ConfigError("; ".join(f"{path}: no such setting{did_you_mean(path, allowed)}" for path in unknown))
    refused = [key for key in asked if key not in _ALLOWED]
    if refused:
        raise ConfigError(f"{', '.join(refused)}: belongs to the training; a score takes {', '.join(_ALLOWED)}")
    values = overrides.to_dict(replace(settings, weights_folder=str(default_folder())))
    overrides.merge(values, asked)
    return check(TrainSettings, values)
