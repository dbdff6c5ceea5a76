"""A trained generator from a run folder, from one of its checkpoints, or from an exported file."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.atomic import sha256_of
from cartoon_dist.files.folder_kinds import require_model_folder
from cartoon_dist.files.json_yaml import UnreadableError, yaml_file
from cartoon_dist.models.generator import DrawingNetwork
from cartoon_dist.runs import checkpoint, exported, initial_weights, setup
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.load_tensors import fill, refuse_misfit

_SMALL = 20_000_000
"""So many weights are made whatever the file holds: more than the paper's networks have."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A generator in evaluation mode on the CPU, in float32 unless it was trained in float64, and where it comes from.

    weights: whether these are the running average or the raw ones; sha256: of the file that held them; is_warmup:
    whether it was trained no further than the warm-up, and copies photos.
    """

    generator: DrawingNetwork
    settings: TrainSettings
    weights: Literal["ema", "raw"]
    step: int
    sha256: str
    source: Path
    is_warmup: bool = False


def load(model: Path, *, weights: Literal["ema", "raw"]) -> Trained:
    """The generator of a run's newest whole checkpoint, of a checkpoint, or of a `.safetensors` export, which holds the
    weights it was made with; CheckpointError when there is none.

    Nothing is unpickled: a file of any other kind is refused unread.
    """
    if model.is_file():
        return _from_export(model)
    if not model.is_dir():
        raise CheckpointError(f"{model}: there is no such run, checkpoint or export")
    require_model_folder(model)
    return _from_checkpoint(checkpoint.meant(model), weights)


def untrained(run: Path, *, weights: Literal["ema", "raw"]) -> Trained:
    """The generator that a run began with, by its config and seed, or the one of its `init_from`; CheckpointError when
    the folder is no run.

    Before training the running average is the weights themselves, unless they came from a run that had one.
    """
    if checkpoint.is_one(run) or not RunFolder(run).config.exists():
        raise CheckpointError(f"{run}: is no run; give the folder of one, which holds config.yaml and checkpoints")
    settings = settings_of(RunFolder(run).config)
    if settings.init_from is not None:
        began = initial_weights.read(initial_weights.locate(Path(settings.init_from))).tensors
        tensors = dict(began["ema" if weights == "ema" else "generator"])
    else:
        begun = setup.fresh_networks(settings)["generator"].state_dict()
        tensors = {name: tensor.contiguous() for name, tensor in begun.items()}
    return Trained(
        generator=_filled(settings, tensors, run),
        settings=settings,
        weights=weights,
        step=0,
        sha256=hashlib.sha256(save(tensors)).hexdigest(),
        source=run,
    )


def _from_checkpoint(folder: Path, weights: Literal["ema", "raw"]) -> Trained:
    settings = settings_of(checkpoint.config_of(folder))
    file = folder / f"{'ema' if weights == 'ema' else 'generator'}.safetensors"
    manifest = checkpoint.read_manifest(folder)
    return Trained(
        generator=_filled(settings, load_file(file), file),
        settings=settings,
        weights=weights,
        step=manifest["step"],
        sha256=sha256_of(file),
        source=folder,
        is_warmup=exported.is_warmup(settings, manifest["step"], manifest.get("phase")),
    )


def settings_of(config: Path) -> TrainSettings:
    """The settings in a run's or a checkpoint's config.yaml; CheckpointError where they cannot be read."""
    try:
        return check(TrainSettings, yaml_file(config))
    except (OSError, UnreadableError, ConfigError) as error:
        raise CheckpointError(f"{config}: cannot be read ({error}); a checkpoint needs its run's config") from None


def _from_export(file: Path) -> Trained:
    if file.suffix != ".safetensors":
        raise CheckpointError(
            f"{file}: is no model of ours: give a run, a checkpoint, or what launch/export.py made; files of other "
            "kinds, pickled ones among them, are never opened"
        )
    tensors, facts = exported.from_safetensors(file)
    return Trained(
        generator=_filled(facts.settings, tensors, file),
        settings=facts.settings,
        weights=facts.weights,
        step=facts.step,
        sha256=sha256_of(file),
        source=file,
        is_warmup=facts.is_warmup,
    )


def _filled(settings: TrainSettings, tensors: Mapping[str, Tensor], file: Path) -> DrawingNetwork:
    """The config's generator with these weights, in their precision."""
    model, num_held = settings.model, sum(tensor.numel() for tensor in tensors.values())
    if 288 * model.channels**2 * (model.num_blocks + 4) > 4 * num_held + _SMALL:
        # Far more than the file holds: compared without memory first. Not always, as torch takes a second to begin so.
        with torch.device("meta"):
            refuse_misfit(setup.build_networks(settings)["generator"].state_dict(), tensors, file)
    generator = setup.build_networks(settings)["generator"]
    assert isinstance(generator, DrawingNetwork)
    dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    fill(generator.to(dtypes.pop() if len(dtypes) == 1 else torch.float32), tensors, file)
    return generator.eval().requires_grad_(requires_grad=False)
