"""`launch/fid.py`: score a run, on any number of processes."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from cartoon_dist.commands.main import EXIT_DONE, leave_at_once
from cartoon_dist.commands.path_options import place
from cartoon_dist.commands.report import Refresher
from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import known, meant
from cartoon_dist.console.messages import result, say
from cartoon_dist.cpu.malloc import keep_freed_memory
from cartoon_dist.data.remote.fetch_per_node import fetched
from cartoon_dist.distributed import collectives, devices
from cartoon_dist.distributed.heartbeat import together
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.folder_kinds import is_run_or_checkpoint
from cartoon_dist.metrics.features import extractor
from cartoon_dist.metrics.folders import score_drawings, score_folders
from cartoon_dist.metrics.score_file import Score, record
from cartoon_dist.metrics.scoring import Subject, opened, score
from cartoon_dist.pretrained import default_folder, resolve
from cartoon_dist.runs import checkpoint, trained
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import Trained

FEW = 2000
SILENCE_SECONDS = 45.0
"""How long a process may be silent before the others give it up."""
_MAY_BE_GIVEN = ("score", "data", "weights_folder", "device")


def main(argv: Sequence[str]) -> int:
    """Score as the command line says; the exit status."""
    parser = argparse.ArgumentParser(
        prog="launch/fid.py",
        description="Score what a run's generator draws of held-out photos against the style's cartoons: FID and KID.",
        epilog="example: python launch/fid.py runs/demo score.features=efficientnet_lite0",
    )
    parser.add_argument(
        "run",
        metavar="RUN",
        type=Path,
        help="a run, or one of its checkpoints; with --against also a folder of drawings",
    )
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="score.features=inception|efficientnet_lite0 score.weights=ema|raw "
        "score.photos=test|train score.batch_size=N score.subsamples=N score.content=true|false weights_folder=FOLDER "
        "data.photos=FOLDER|URL data.cartoons=FOLDER|URL device=auto|cpu|cuda",
    )
    parser.add_argument(
        "--untrained", action="store_true", help="score the generator that the run began with, to compare with"
    )
    parser.add_argument(
        "--against",
        metavar="FOLDER",
        type=place,
        help="score a folder of drawings, or what a run draws of its held-out photos, against this folder of pictures",
    )
    parser.add_argument("--out", metavar="FILE.json", type=place, help="of --against: add the scores to this file")
    arguments = parser.parse_intermixed_args(argv)
    collectives.join()
    # What the command line asks for, whatever the run was trained on.
    device = devices.choose(_merged(TrainSettings(run_dir=""), arguments.settings).device)
    if device.type == "cpu":
        keep_freed_memory()
    if arguments.against:
        return _against(arguments, device)
    if arguments.out:
        _warn("--out has no effect without --against; a run's scores go into its scores.json")
    try:
        score_one = score_untrained if arguments.untrained else score_run
        with together(SILENCE_SECONDS, leave_at_once):
            scores = score_one(arguments.run, arguments.settings, device)
    finally:
        collectives.leave()
    if collectives.is_main():
        result(f"{run_folder(arguments.run).scores}: {in_words(scores)}")
    return EXIT_DONE


def _against(arguments: argparse.Namespace, device: torch.device) -> int:
    """Score a folder, or what a run draws, against a folder; print the scores, and keep them where asked to."""
    model, real, words = arguments.run, arguments.against, arguments.settings
    draws = is_run_or_checkpoint(model)
    if arguments.untrained and not draws:
        _warn("--untrained has no effect on a folder of drawings")
    try:
        with together(SILENCE_SECONDS, leave_at_once):
            if draws:
                scores = _score_drawings(model, real, words, device, untrained=arguments.untrained)
            else:
                settings = _merged(TrainSettings(run_dir=""), words)
                seen_by = extractor(settings.score.features, Path(settings.weights_folder), device)
                scores = score_folders(model, real, settings, seen_by, warn=_warn)
    finally:
        collectives.leave()
    if collectives.is_main():
        if arguments.out:
            record(arguments.out, scores)
        name = f"step {scores[0].step} of {run_folder(model).root}" if draws else model
        result(f"{name} against {real}: {in_words(scores)}")
    return EXIT_DONE


def _score_drawings(
    model: Path, real: Path, words: Sequence[str], device: torch.device, *, untrained: bool
) -> list[Score]:
    """What a run or a checkpoint draws of the run's photos against a folder's pictures. It is no score of the run's
    style, so the run's scores.json is left as it is."""
    load = trained.untrained if untrained else trained.load
    settings = _merged(load(model, weights="ema").settings, words)
    held = load(model, weights=settings.score.weights)
    seen_by = extractor(settings.score.features, Path(settings.weights_folder), device)
    scores = score_drawings(_subject(held, device), real, fetched(settings), seen_by, warn=_warn)
    _warn_of_few(scores)
    return scores


def check_ready(settings: TrainSettings) -> None:
    """WeightsError or ShardError now, rather than after days of training, when a score could not be made at its end."""
    resolve(settings.score.features, Path(settings.weights_folder))
    _check_content_ready(settings)
    opened(settings.data.photos, "photo", settings)


def score_run(model: Path, words: Sequence[str], device: torch.device) -> list[Score]:
    """Score a run's newest checkpoint, or a checkpoint, and add the scores to the run's scores.json."""
    if model.is_file():
        raise CheckpointError(f"{model}: is a file; a run or a checkpoint is scored, which knows its shards")
    held = trained.load(model, weights="ema")
    return score_checkpoint(held.source, _merged(held.settings, words), device)


def score_untrained(run: Path, words: Sequence[str], device: torch.device) -> list[Score]:
    """Score the generator that a run began with, and add the scores, of step 0, to the run's scores.json."""
    settings = _merged(trained.untrained(run, weights="ema").settings, words)
    return _score(trained.untrained(run, weights=settings.score.weights), settings, RunFolder(run), device)


def score_checkpoint(model: Path, settings: TrainSettings, device: torch.device) -> list[Score]:
    """Score a checkpoint on all processes; rank 0 writes the scores down and warns where they are too few to be
    believed."""
    return _score(trained.load(model, weights=settings.score.weights), settings, run_folder(model), device)


def _score(held: Trained, settings: TrainSettings, run: RunFolder, device: torch.device) -> list[Score]:
    seen_by = extractor(settings.score.features, Path(settings.weights_folder), device)
    _check_content_ready(settings)  # before anything is drawn
    scores = score(_subject(held, device), fetched(settings), seen_by, warn=_warn)
    _warn_of_few(scores)
    if collectives.is_main():
        record(run.scores, scores)
        Refresher(run).refresh()
    return scores


def _subject(held: Trained, device: torch.device) -> Subject:
    return Subject(
        generator=held.generator.to(device),
        weights=held.weights,
        step=held.step,
        sha256=held.sha256,
        device=device,
        dtype=next(held.generator.parameters()).dtype,
    )


def _warn_of_few(scores: Sequence[Score]) -> None:
    if min(scores[0].num_generated, scores[0].num_real) < FEW:
        _warn(
            f"{scores[0].num_generated} drawings against {scores[0].num_real} cartoons: a Frechet distance of "
            f"fewer than {FEW} is biased; compare it only with one of the same counts"
        )


def _check_content_ready(settings: TrainSettings) -> None:
    if settings.score.content:
        resolve("vgg16", Path(settings.weights_folder))


def _warn(what: str) -> None:
    say(f"warning: {what}")


def in_words(scores: Sequence[Score]) -> str:
    """`fid 171.20, kid 0.0513`."""
    return ", ".join(f"{score.metric} {score.value:.4g}" for score in scores)


def _merged(settings: TrainSettings, words: Sequence[str]) -> TrainSettings:
    """The run's settings with those of the command over them; ConfigError for one that scoring must not change."""
    given: dict[str, object] = {}
    for word in words:
        overrides.merge(given, overrides.nest(word))
    paths = known(TrainSettings)
    taken = [path for path in paths if path.split(".")[0] in _MAY_BE_GIVEN]
    unknown = [
        path for path in overrides.flatten(given) if path not in paths and path.split(".")[0] not in _MAY_BE_GIVEN
    ]
    if unknown:
        raise ConfigError("; ".join(f"{path}: no such setting{meant(path, taken)}" for path in unknown))
    refused = [key for key in given if key not in _MAY_BE_GIVEN]
    if refused:
        raise ConfigError(f"{', '.join(refused)}: belongs to the training; a score takes {', '.join(_MAY_BE_GIVEN)}")
    values = overrides.plain(replace(settings, weights_folder=str(default_folder())))
    overrides.merge(values, given)
    return check(TrainSettings, values)


def run_folder(model: Path) -> RunFolder:
    """The run that is meant: a run folder itself, or that of one of its checkpoints."""
    return RunFolder(model.parent if checkpoint.is_one(model) else model)
