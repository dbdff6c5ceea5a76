"""Writes a trained generator as one file to share, kept only when its output equals the trained one's."""

import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from cartoon_dist.errors import CheckpointError
from cartoon_dist.export.onnx_model import to_onnx
from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.inference.onnx_generator import load_onnx
from cartoon_dist.models.generator import CartoonGenerator, GeneratorOutput
from cartoon_dist.runs import trained
from cartoon_dist.runs.export_file import ExportMetadata, to_safetensors
from cartoon_dist.runs.trained import TrainedGenerator
from cartoon_dist.tensors import Bytes, Images, from_bytes

SUFFIXES = (".safetensors", ".onnx")
TOLERANCE = 2e-3
"""The largest difference allowed, in [-1, 1]: a quarter of a grey level. onnxruntime adds up a map in float32, so over
a million pixels its means are off by more than torch's: 1.1e-3 was seen with an untrained generator."""
HALF_TOLERANCE = 2 / 127.5
"""The same for weights that were rounded to half precision: two grey levels."""
Precision = Literal["trained", "fp16"]
"""Weights as they were trained, or rounded to half precision: half the file."""

GenerateFunction = Callable[[Images], Images]
_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The largest difference to the trained generator's output, in [-1, 1], over the sizes (h, w) compared.

    precision: of the weights in the file.
    """

    difference: float
    sizes: tuple[tuple[int, int], ...]
    precision: Precision = "trained"


def export_generator(
    source: TrainedGenerator,
    out: Path,
    photo: Bytes,
    device: torch.device = _CPU,
    *,
    precision: Precision = "trained",
) -> Comparison:
    """Write `out`, safetensors or ONNX by its suffix, once its output on a photo (1 3 h w, sides multiples of 4) and
    on a part of it equals the trained generator's.

    The file is written to a temporary folder, read back as a user's would be, compared, and only then put in place.
    device: where torch runs for the comparison; onnxruntime runs on the CPU. precision: of the weights; fp16 is drawn
    with in float32, and may differ by HALF_TOLERANCE. CheckpointError for another suffix, for a difference beyond the
    tolerance, for an ONNX in half precision, for a disk that is full.
    """
    if out.suffix not in SUFFIXES:
        raise CheckpointError(f"{out}: name it .safetensors or .onnx; other formats are not written")
    if precision == "fp16" and out.suffix == ".onnx":
        raise CheckpointError(f"{out}: an .onnx is written in float32; leave precision=fp16 out, or name .safetensors")
    facts = metadata_of(source)
    if out.suffix == ".onnx":
        content = to_onnx(source.generator, facts)
    else:
        weights = source.generator.state_dict()
        if precision == "fp16":
            weights = {
                name: weight.half() if weight.is_floating_point() else weight for name, weight in weights.items()
            }
        content = to_safetensors(weights, facts)
    tolerance = HALF_TOLERANCE if precision == "fp16" else TOLERANCE
    try:
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / out.name
            temporary.write_bytes(content)
            comparison = compare(source, load_exported(temporary, device), photo, device)
        if not comparison.difference <= tolerance:  # also where it is NaN
            raise CheckpointError(
                f"{out}: not written: its drawings differ from the trained generator's by {comparison.difference:.2g}, "
                f"{tolerance:.2g} is allowed"
            )
        write_atomically(out, content)
    except OSError as error:
        raise CheckpointError(f"{out}: cannot be written ({error.strerror}); make room or name another place") from None
    return replace(comparison, precision=precision)


def metadata_of(source: TrainedGenerator) -> ExportMetadata:
    """What an export of this generator says of itself."""
    return ExportMetadata(
        settings=source.settings, weights=source.weights, step=source.step, is_warmup=source.is_warmup
    )


def load_exported(path: Path, device: torch.device = _CPU) -> GenerateFunction:
    """The generator of an exported file, as a function of float32 photos; its output is in host memory."""
    if path.suffix == ".onnx":
        return load_onnx(path)
    generator = trained.load(path, weights="ema").generator
    dtype = _drawing_dtype(generator)
    generator.to(device, dtype)

    def generate(photo: Images) -> Images:
        output: GeneratorOutput = generator(photo.to(device, dtype))
        return output.generated.float().cpu()

    return generate


def _drawing_dtype(generator: CartoonGenerator) -> torch.dtype:
    """What a generator computes in: float32 where its weights have 16 bits, as drawing does (inference/batched.py)."""
    return torch.float64 if next(generator.parameters()).dtype == torch.float64 else torch.float32


@without_tf32()
@torch.no_grad()
def compare(
    source: TrainedGenerator, generate: GenerateFunction, photo: Bytes, device: torch.device = _CPU
) -> Comparison:
    """The exported generator's output beside the trained one's, on the photo and on its upper left part: two shapes, so
    that a size that was frozen into a graph is found."""
    height, width = photo.shape[2:]
    part = photo[:, :, : max(8, height // 8 * 4), : max(8, width // 12 * 4)]
    generator, dtype = source.generator.to(device), _drawing_dtype(source.generator)
    if next(generator.parameters()).dtype != dtype:
        generator = deepcopy(generator).to(dtype)  # the trained one stays as it is
    differences = []
    for picture in (photo, part):
        photo_values = from_bytes(picture)  # the same numbers for both, whatever they compute in
        trained_output: GeneratorOutput = generator(photo_values.to(device, dtype))
        exported = generate(photo_values)
        differences.append((exported - trained_output.generated.float().cpu()).abs().max())
    # torch's maximum is NaN where any difference is; Python's may not be.
    difference = float(torch.stack(differences).max())
    return Comparison(difference=difference, sizes=((height, width), (part.shape[2], part.shape[3])))
