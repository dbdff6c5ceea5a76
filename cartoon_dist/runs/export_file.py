"""The file of an exported generator: weights, and the metadata that make the file usable alone.

The metadata are strings by name, in safetensors' metadata or in ONNX's metadata_props.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.command_names import command_name
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.bounded import MAX_TENSOR_BYTES, require_regular
from cartoon_dist.files.json_yaml import parse_json

FORMAT = "1"
_FORMAT_KEY = "cartoon_dist"
_MAX_STEPS = 10**15
_WARMUP = "warmup"


@dataclass(frozen=True, kw_only=True)
class ExportMetadata:
    """The metadata of an exported generator. The folders in its settings are bare names, so that a published file says
    nothing about the machine it was trained on. is_warmup: whether only the warm-up was trained."""

    settings: TrainSettings
    weights: Literal["ema", "raw"]
    step: int
    is_warmup: bool = False


def is_warmup(settings: TrainSettings, step: int, phase: str | None) -> bool:
    """Whether only the warm-up of a generator was trained, by the phase in its file or by its settings."""
    steps = settings.warmup.steps
    return phase == _WARMUP or (steps is not None and 0 < step <= steps)


def warmup_warning(source: Path, step: int) -> str:
    """The warning before a generator of which only the warm-up was trained is used or exported."""
    return (
        f"{source}: step {step} is of the warm-up, in which the generator learns to copy photos, so its drawings are "
        "copies; use a checkpoint of the GAN phase"
    )


def to_strings(metadata: ExportMetadata) -> dict[str, str]:
    """The metadata as they are written into a file."""
    settings = metadata.settings
    data = settings.data
    data = replace(
        data, photos=_folder_name(data.photos), cartoons=_folder_name(data.cartoons), cache=_folder_name(data.cache)
    )
    bare = replace(
        settings,
        run_dir=_folder_name(settings.run_dir),
        weights_folder=_folder_name(settings.weights_folder),
        init_from=None if settings.init_from is None else Path(settings.init_from).name,
        data=data if data.photos != data.cartoons else replace(data, photos="photos", cartoons="cartoons"),
    )
    config = json.dumps(overrides.to_dict(bare), allow_nan=False)
    strings = {_FORMAT_KEY: FORMAT, "config": config, "weights": metadata.weights, "step": str(metadata.step)}
    return strings | ({"phase": _WARMUP} if metadata.is_warmup else {})


def _folder_name(place: str) -> str:
    """The folder's name alone, without `$` and `~`, which would be expanded when it is read."""
    return Path(place).name.replace("$", "_").replace("~", "_")


def from_strings(strings: Mapping[str, str] | None, path: Path) -> ExportMetadata:
    """The metadata of a file; CheckpointError when it is not one of ours."""
    if not strings or _FORMAT_KEY not in strings:
        raise CheckpointError(f"{path}: is no generator of ours; give what {command_name('export')} made")
    if strings[_FORMAT_KEY] != FORMAT:
        raise CheckpointError(f"{path}: is of format {strings[_FORMAT_KEY]}, this release reads format {FORMAT}")
    try:
        settings = check(TrainSettings, parse_json(strings["config"]))
        weights: Literal["ema", "raw"] = "ema" if strings["weights"] == "ema" else "raw"
        step = int(strings["step"])
        if not 0 <= step < _MAX_STEPS:
            raise ValueError(f"its step {step} is no count")
        warmup_only = is_warmup(settings, step, strings.get("phase"))
        return ExportMetadata(settings=settings, weights=weights, step=step, is_warmup=warmup_only)
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: its config cannot be read ({error}); export it again") from None


def to_safetensors(tensors: Mapping[str, Tensor], metadata: ExportMetadata) -> bytes:
    """The whole content of a `.safetensors` file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, to_strings(metadata))


def from_safetensors(path: Path) -> tuple[dict[str, Tensor], ExportMetadata]:
    """The tensors and metadata of a file; CheckpointError when it is not one of ours. Nothing in it is executed."""
    try:
        require_regular(path, max_bytes=MAX_TENSOR_BYTES)
        with safe_open(path, framework="pt") as file:
            metadata = from_strings(file.metadata(), path)
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118 (it is no dict)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path}: is no safetensors file ({error}); give what {command_name('export')} made"
        ) from None
