"""The initial weights of a run that names `init_from`: another run, a checkpoint or an export."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint, export_file

_EXPORT = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class InitialWeights:
    """Weights by the networks' plain names, with the running average as `ema`, and where they come from.

    An export holds a generator alone, which is its own running average.
    """

    source: Path
    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]


def locate(path: Path) -> Path:
    """The checkpoint or export that a path means: for a run its newest intact checkpoint.

    CheckpointError when there is none. Reads all of a checkpoint, to compare it with its hashes.
    """
    if path.is_file():
        if path.suffix == _EXPORT:
            return path
        raise CheckpointError(
            f"init_from: {path}: a run begins with the weights of a run, a checkpoint or a {_EXPORT} export; files of "
            "other kinds hold nothing that can be trained on"
        )
    if not path.is_dir():
        raise CheckpointError(
            f"init_from: {path}: there is no such run, checkpoint or {_EXPORT} export; check the path"
        )
    try:
        return checkpoint.resolve(path)
    except CheckpointError as error:
        advice = "" if checkpoint.is_checkpoint(path) else "; give a run that has one, or leave init_from out"
        raise CheckpointError(f"init_from: {error}{advice}") from None


def read(source: Path) -> InitialWeights:
    """The weights of what `locate` found; CheckpointError when they cannot be read."""
    if source.is_file():
        try:
            tensors, metadata = export_file.from_safetensors(source)
        except CheckpointError as error:
            raise CheckpointError(f"init_from: {error}") from None
        return InitialWeights(source=source, step=metadata.step, tensors={"generator": tensors, "ema": tensors})
    try:
        manifest = checkpoint.read_manifest(source)
        stems = [Path(name).stem for name in manifest["files"] if name.endswith(_EXPORT)]
        networks = {
            stem: load_file(source / f"{stem}{_EXPORT}")
            for stem in stems
            if not stem.startswith("optimizer-") and stem != "random"
        }
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"init_from: {source}: cannot be read ({error})") from None
    return InitialWeights(source=source, step=manifest["step"], tensors=networks)
