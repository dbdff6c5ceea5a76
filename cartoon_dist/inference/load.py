"""Opens any model that draws, a run, a checkpoint or an exported file, as one kind of object."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from cartoon_dist.config.commands import DrawingSettings, Precision
from cartoon_dist.config.fields import DeviceName
from cartoon_dist.distributed import devices
from cartoon_dist.inference.batched import Cartoonizer, torch_cartoonizer
from cartoon_dist.runs.export_file import ExportMetadata, warmup_warning

if TYPE_CHECKING:
    from cartoon_dist.models.generator import CartoonGenerator
    from cartoon_dist.runs.trained import TrainedGenerator

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model ready to draw.

    source: the file or checkpoint that was read. generator, device: torch's network and where it lies; None and the CPU
    for an .onnx, which onnxruntime runs.
    """

    cartoonizer: Cartoonizer
    source: Path
    generator: "CartoonGenerator | None"
    device: torch.device


def load_model(
    model: Path,
    *,
    weights: Literal["ema", "raw"] | None,
    device: DeviceName,
    megapixels: float,
    precision: Precision = "fp32",
) -> LoadedModel:
    """Load a run's newest intact checkpoint, a checkpoint, a `.safetensors` or an `.onnx`.

    weights: which of a run's weights, the running average by default; an export holds one kind. megapixels: the largest
    picture, or batch, drawn in one piece. precision: the numbers it computes in. CheckpointError where there is no such
    model, ConfigError where there is no such device, or where it cannot compute in that precision. What has no effect,
    and a model that only copies photos, is logged as a warning.
    """
    if weights and model.is_file():
        _log.warning("weights=%s has no effect on an export, which holds its own", weights)
    if model.suffix == ".onnx" and not model.is_dir():
        # Takes a second to import, and only this kind of model needs it.
        from cartoon_dist.inference.onnx_generator import load_onnx

        if device == "cuda":
            _log.warning("device=cuda has no effect on an .onnx, which is drawn with on the CPU")
        if precision != "fp32":
            _log.warning("precision=%s has no effect on an .onnx, which computes in fp32", precision)
        onnx = load_onnx(model)
        _warn_of_copies(model, onnx.facts)
        cartoonizer = Cartoonizer(generate=onnx, generate_large=None, megapixels=megapixels)
        return LoadedModel(cartoonizer=cartoonizer, source=model, generator=None, device=torch.device("cpu"))
    # The networks, which an .onnx does without.
    from cartoon_dist.runs import trained

    loaded = trained.load(model, weights=weights or "ema")
    _warn_of_copies(loaded.source, loaded)
    chosen = devices.choose_device(device)
    cartoonizer = torch_cartoonizer(loaded.generator, chosen, megapixels=megapixels, precision=precision)
    return LoadedModel(cartoonizer=cartoonizer, source=loaded.source, generator=loaded.generator, device=chosen)


def load_to_draw(model: Path, settings: DrawingSettings) -> LoadedModel:
    """`load_model` as the settings of a command, or of `cartoon_dist.load`, say."""
    return load_model(
        model,
        weights=settings.weights,
        device=settings.device,
        megapixels=settings.megapixels,
        precision=settings.precision,
    )


def _warn_of_copies(source: Path, model: "ExportMetadata | TrainedGenerator") -> None:
    if model.is_warmup:
        _log.warning("%s", warmup_warning(source, model.step))
