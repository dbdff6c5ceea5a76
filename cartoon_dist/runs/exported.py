"""An exported generator: what is written into the file beside the weights, so that the file alone is enough.

The facts are strings under their names, in safetensors' metadata or in ONNX's metadata_props.
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
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.files.atomic import MAX_TENSOR_BYTES, require_regular
from cartoon_dist.files.json_yaml import json_text

FORMAT = "1"
_MARK = "cartoon_dist"
_MOST_STEPS = 10**15
_WARMUP = "warmup"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an export says about its generator. The settings' folders are bare names: a file that is given away tells
    nothing about the machine it was trained on. is_warmup: whether it was trained no further than the warm-up."""

    settings: TrainSettings
    weights: Literal["ema", "raw"]
    step: int
    is_warmup: bool = False


def is_warmup(settings: TrainSettings, step: int, phase: str | None) -> bool:
    """Whether a generator knows the warm-up alone, as its file says (its phase) or as its settings do."""
    steps = settings.warmup.steps
    return phase == _WARMUP or (steps is not None and 0 < step <= steps)


def copies_photos(source: Path, step: int) -> str:
    """What to warn of before a generator that knows the warm-up alone draws or is given away."""
    return (
        f"{source}: step {step} is of the warm-up, in which the generator learns to copy photos, so its drawings are "
        "copies; use a checkpoint of the GAN phase"
    )


def to_strings(facts: Facts) -> dict[str, str]:
    """The facts as they are written into a file."""
    settings = facts.settings
    held = settings.data
    data = replace(held, photos=_bare(held.photos), cartoons=_bare(held.cartoons), cache=_bare(held.cache))
    bare = replace(
        settings,
        run_dir=_bare(settings.run_dir),
        weights_folder=_bare(settings.weights_folder),
        init_from=None if settings.init_from is None else Path(settings.init_from).name,
        data=data if data.photos != data.cartoons else replace(data, photos="photos", cartoons="cartoons"),
    )
    config = json.dumps(overrides.plain(bare), allow_nan=False)
    strings = {_MARK: FORMAT, "config": config, "weights": facts.weights, "step": str(facts.step)}
    return strings | ({"phase": _WARMUP} if facts.is_warmup else {})


def _bare(place: str) -> str:
    """A folder's name alone, without what would stand for another folder when it is read."""
    return Path(place).name.replace("$", "_").replace("~", "_")


def from_strings(strings: Mapping[str, str] | None, path: Path) -> Facts:
    """The facts of a file; CheckpointError when it is none of ours."""
    if not strings or _MARK not in strings:
        raise CheckpointError(f"{path}: is no generator of ours; give what launch/export.py made")
    if strings[_MARK] != FORMAT:
        raise CheckpointError(f"{path}: is of format {strings[_MARK]}, this release reads format {FORMAT}")
    try:
        settings = check(TrainSettings, json_text(strings["config"]))
        weights: Literal["ema", "raw"] = "ema" if strings["weights"] == "ema" else "raw"
        step = int(strings["step"])
        if not 0 <= step < _MOST_STEPS:
            raise ValueError(f"its step {step} is no count")
        only_warmed_up = is_warmup(settings, step, strings.get("phase"))
        return Facts(settings=settings, weights=weights, step=step, is_warmup=only_warmed_up)
    except (KeyError, ValueError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: its config cannot be read ({error}); export it again") from None


def to_safetensors(tensors: Mapping[str, Tensor], facts: Facts) -> bytes:
    """The whole content of a `.safetensors` file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, to_strings(facts))


def from_safetensors(path: Path) -> tuple[dict[str, Tensor], Facts]:
    """The tensors and facts of a file; CheckpointError when it is none of ours. Nothing in it is ever executed."""
    try:
        require_regular(path, max_bytes=MAX_TENSOR_BYTES)
        with safe_open(path, framework="pt") as file:
            facts = from_strings(file.metadata(), path)
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (it is no dict)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: is no safetensors file ({error}); give what launch/export.py made") from None
