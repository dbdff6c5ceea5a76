"""`launch/export.py`: a trained generator as one file to give away, with a card beside it."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cartoon_dist.commands.command_lines.export import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.config.command_line import parse, read_words
from cartoon_dist.config.commands import ExportSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.messages import print_message
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.remote.fetch import local_folder
from cartoon_dist.distributed import devices
from cartoon_dist.errors import CheckpointError, ConfigError, PictureError, ShardError
from cartoon_dist.export import model_card
from cartoon_dist.export.exporter import SUFFIXES, export_generator
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.files.bounded import read_regular
from cartoon_dist.image.decode import Picture, decode, max_file_bytes
from cartoon_dist.metrics import score_file
from cartoon_dist.runs import trained
from cartoon_dist.runs.export_file import warmup_warning
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import TrainedGenerator
from cartoon_dist.tensors import Bytes

_LONGEST = 1024
"""A photo to compare on is cut to this: the comparison runs both generators on the CPU."""


def main(argv: Sequence[str]) -> int:
    """Export as the command line says; the exit status."""
    arguments, settings = read_command_line(argv)
    run, out = Path(arguments.run), Path(arguments.out)
    if out.suffix not in SUFFIXES:
        raise ConfigError(f"{out}: name it .safetensors or .onnx; other formats are not written")
    if not run.is_dir():
        raise CheckpointError(f"{run}: is no run and no checkpoint; an export is made from one of these")
    loaded = trained.load(run, weights=settings.weights)
    if loaded.is_warmup:
        print_message(f"warning: {warmup_warning(loaded.source, loaded.step)}")
    photo = _photo_from_file(Path(settings.photo)) if settings.photo else _photo_from_shards(loaded)
    comparison = export_generator(loaded, out, photo, devices.choose_device(settings.device))
    card = out.with_name(f"{out.name}.md")
    text = model_card.render_card(
        loaded, out, comparison, scores=_scores_of(loaded), pictures_licence=settings.pictures_licence or ""
    )
    try:
        write_atomically(card, text)
    except OSError as error:
        raise CheckpointError(f"{card}: cannot be written ({error.strerror}); make room and export again") from None
    print(
        f"{out}: step {loaded.step}, {loaded.weights}; differs from the trained generator by "
        f"{comparison.difference:.2g} at most; its card is {card.name}"
    )
    return EXIT_DONE


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, ExportSettings]:
    """RUN and OUT as `run` and `out`, and the settings."""
    arguments = parse(parser(), argv, paths=("run", "out"), keys=setting_paths(ExportSettings))
    return arguments, read_words(ExportSettings, arguments.settings)


def _scores_of(loaded: TrainedGenerator) -> list[dict[str, Any]]:
    """The scores for the card; none, and a warning, where they cannot be read: the export does not depend on them."""
    try:
        scores = score_file.read_scores(RunFolder(loaded.source.parent).scores)
    except CheckpointError as error:
        print_message(f"warning: {error}; the card is written without scores")
        return []
    return [score for score in scores if score.get("step") == loaded.step]


def _photo_from_shards(loaded: TrainedGenerator) -> Bytes:
    """A photo of the run, a held-out one where there is any."""
    try:
        folder = local_folder(loaded.settings.data.photos, loaded.settings.data.cache)
        for split in ("test", "train"):
            shards = Shards(folder=folder, domain="photo", split="test" if split == "test" else "train")
            if len(shards):
                return _crop(shards.read(0).picture)
    except ShardError as error:
        raise ConfigError(f"{error}; or give a photo to compare on: photo=FILE") from None
    raise ConfigError(f"{folder}: holds no photos; give one to compare on: photo=FILE")


def _photo_from_file(path: Path) -> Bytes:
    try:
        return _crop(decode(read_regular(path, max_bytes=max_file_bytes(200)), max_megapixels=200))
    except PictureError as error:
        raise ConfigError(f"{path}: {error}; give another photo") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a photo") from None


def _crop(picture: Picture) -> Bytes:
    """The upper left of a photo that the networks can draw: sides multiples of 4."""
    height, width = (min(side, _LONGEST) // 4 * 4 for side in picture.shape[:2])
    if min(height, width) < 8:
        raise ConfigError("the photo to compare on is smaller than 8 x 8 pixels; give a larger one with photo=FILE")
    pixels = torch.from_numpy(picture[:height, :width].copy())
    return pixels.permute(2, 0, 1)[None].contiguous()  # 1 3 h w
