"""Loads a trained generator from a run folder, from one of its checkpoints, or from an exported file."""

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
from cartoon_dist.console.command_names import command_name
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.files.folder_kinds import require_model_folder
from cartoon_dist.files.json_yaml import ParseError, read_yaml
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import checkpoint, export_file, initial_weights, networks_from_config
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.load_tensors import load_tensors, require_matching

_SMALL_NETWORK = 20_000_000
"""A network of up to so many weights is always built: more than the paper's networks have."""


@dataclass(frozen=True, kw_only=True)
class TrainedGenerator:
    """A generator in evaluation mode on the CPU, in float32 unless it was trained in float64, and where it comes from.

    weights: the running average or the raw ones; sha256: of their file; is_warmup: whether only the warm-up was
    trained, so that it copies photos.
    """

    generator: CartoonGenerator
    settings: TrainSettings
    weights: Literal["ema", "raw"]
    step: int
    sha256: str
    source: Path
    is_warmup: bool = False


def load(model: Path, *, weights: Literal["ema", "raw"]) -> TrainedGenerator:
    """The generator of a run's newest intact checkpoint, of a checkpoint, or of a `.safetensors` export, which has one
    kind of weights only; CheckpointError when there is none.

    Nothing is unpickled: a file of any other kind is refused unread.
    """
    if model.is_file():
        return _from_export(model)
    if not model.is_dir():
        raise CheckpointError(f"{model}: there is no such run, checkpoint or export")
    require_model_folder(model)
    return _from_checkpoint(checkpoint.resolve(model), weights)


def load_initial(run: Path, *, weights: Literal["ema", "raw"]) -> TrainedGenerator:
    """The initial generator of a run, by its config and seed, or by its `init_from`; CheckpointError when the folder is
    no run.

    Before training the running average equals the weights, unless they came from a run that had an average.
    """
    if checkpoint.is_checkpoint(run) or not RunFolder(run).config.exists():
        raise CheckpointError(f"{run}: is no run; give the folder of one, which holds config.yaml and checkpoints")
    settings = read_run_config(RunFolder(run).config)
    if settings.init_from is not None:
        initial = initial_weights.read(initial_weights.locate(Path(settings.init_from))).tensors
        tensors = dict(initial["ema" if weights == "ema" else "generator"])
    else:
        state = networks_from_config.initial_networks(settings)["generator"].state_dict()
        tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    return TrainedGenerator(
        generator=_load_generator(settings, tensors, run),
        settings=settings,
        weights=weights,
        step=0,
        sha256=hashlib.sha256(save(tensors)).hexdigest(),
        source=run,
    )


def _from_checkpoint(folder: Path, weights: Literal["ema", "raw"]) -> TrainedGenerator:
    settings = read_run_config(checkpoint.config_path(folder))
    file = folder / f"{'ema' if weights == 'ema' else 'generator'}.safetensors"
    manifest = checkpoint.read_manifest(folder)
    return TrainedGenerator(
        generator=_load_generator(settings, load_file(file), file),
        settings=settings,
        weights=weights,
        step=manifest["step"],
        sha256=sha256_of(file),
        source=folder,
        is_warmup=export_file.is_warmup(settings, manifest["step"], manifest.get("phase")),
    )


def read_run_config(config: Path) -> TrainSettings:
    """The settings in a run's or a checkpoint's config.yaml; CheckpointError where they cannot be read."""
    try:
        return check(TrainSettings, read_yaml(config))
    except (OSError, ParseError, ConfigError) as error:
        raise CheckpointError(f"{config}: cannot be read ({error}); a checkpoint needs its run's config") from None


def _from_export(file: Path) -> TrainedGenerator:
    if file.suffix != ".safetensors":
        raise CheckpointError(
            f"{file}: is no model of ours: give a run, a checkpoint, or what {command_name('export')} made; files of "
            "other kinds, pickled ones among them, are never opened"
        )
    tensors, facts = export_file.from_safetensors(file)
    return TrainedGenerator(
        generator=_load_generator(facts.settings, tensors, file),
        settings=facts.settings,
        weights=facts.weights,
        step=facts.step,
        sha256=sha256_of(file),
        source=file,
        is_warmup=facts.is_warmup,
    )


def _load_generator(settings: TrainSettings, tensors: Mapping[str, Tensor], file: Path) -> CartoonGenerator:
    """The config's generator with these weights, in their precision."""
    model, num_weights = settings.model, sum(tensor.numel() for tensor in tensors.values())
    if 288 * model.channels**2 * (model.num_blocks + 4) > 4 * num_weights + _SMALL_NETWORK:
        # Far larger than the file: compare shapes without memory first. Not always: torch needs a second to start it.
        with torch.device("meta"):
            require_matching(networks_from_config.build_networks(settings)["generator"].state_dict(), tensors, file)
    generator = networks_from_config.build_networks(settings)["generator"]
    assert isinstance(generator, CartoonGenerator)
    dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    load_tensors(generator.to(dtypes.pop() if len(dtypes) == 1 else torch.float32), tensors, file)
    return generator.eval().requires_grad_(requires_grad=False)
