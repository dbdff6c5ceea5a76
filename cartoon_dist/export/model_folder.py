"""Writes a trained generator as a folder in the layout of a model hub: config, weights, card."""

from dataclasses import dataclass
from pathlib import Path

import torch

from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.export.exporter import Comparison, export_generator, metadata_of
from cartoon_dist.export.front_matter import OTHER_LICENCE
from cartoon_dist.export.model_card import render_card, scores_of
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.runs.model_folder import CARD, CONFIG, WEIGHTS, config_text, is_model_folder, read_config
from cartoon_dist.runs.trained import TrainedGenerator
from cartoon_dist.tensors import Bytes


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What a card says that is not known from the run: see `model_card.render_card`."""

    pictures_licence: str = ""
    licence: str = OTHER_LICENCE
    name: str | None = None


def export_folder(
    source: TrainedGenerator, folder: Path, photo: Bytes, facts: CardFacts, device: torch.device
) -> Comparison:
    """Write the three files, once the weights that are read back draw as the trained generator does.

    photo, device: see `exporter.export_generator`. An earlier export in the folder is replaced. ConfigError where the
    folder holds anything else, CheckpointError where it cannot be written or the drawings differ.
    """
    require_free(folder)
    weights = folder / WEIGHTS
    comparison = export_generator(source, weights, photo, device)
    card = render_card(
        source,
        weights,
        comparison,
        scores=scores_of(source),
        pictures_licence=facts.pictures_licence,
        licence=facts.licence,
        name=folder.name if facts.name is None else facts.name,
    )
    try:
        write_atomically(folder / CARD, card)
        write_atomically(folder / CONFIG, config_text(metadata_of(source)))
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be written ({error.strerror}); make room and export again") from None
    return comparison


def require_free(folder: Path) -> None:
    """ConfigError unless the folder is new, empty, or an earlier export: its README.md may be anything else."""
    if folder.is_dir() and any(folder.iterdir()):
        try:
            if is_model_folder(folder):
                read_config(folder / CONFIG)
                return
        except CheckpointError:
            pass  # someone else's model
        raise ConfigError(f"{folder}: holds other files, which an export would replace; name a new folder")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a new folder")
