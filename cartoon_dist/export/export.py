"""A trained generator as one file to give away, kept only when it draws what the trained one draws."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from cartoon_dist.distributed.devices import without_tf32
from cartoon_dist.errors import CheckpointError
from cartoon_dist.export.exported_model import load_onnx, to_onnx
from cartoon_dist.files.atomic import write_whole
from cartoon_dist.models.generator import Drawing
from cartoon_dist.runs import trained
from cartoon_dist.runs.exported import Facts, to_safetensors
from cartoon_dist.runs.trained import Trained
from cartoon_dist.tensors import Bytes, Images, from_bytes

SUFFIXES = (".safetensors", ".onnx")
TOLERANCE = 1e-3
"""How far a drawing, in [-1, 1], may be off: an eighth of a grey level."""

Draw = Callable[[Images], Images]
_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The largest difference to the trained generator's drawings, in [-1, 1], over the sizes (h, w) compared."""

    difference: float
    sizes: tuple[tuple[int, int], ...]


def export(held: Trained, out: Path, photo: Bytes, device: torch.device = _CPU) -> Comparison:
    """Write `out`, safetensors or ONNX by its suffix, once its drawings of a photo (1 3 h w, sides multiples of 4)
    and of a part of it are the trained ones.

    The file is written aside, read back as a user's would be, compared, and only then put in place. device: where
    torch draws for the comparison; onnxruntime draws on the CPU. CheckpointError for another suffix, for a difference
    beyond the tolerance, for a disk that is full.
    """
    if out.suffix not in SUFFIXES:
        raise CheckpointError(f"{out}: name it .safetensors or .onnx; other formats are not written")
    facts = Facts(settings=held.settings, weights=held.weights, step=held.step, is_warmup=held.is_warmup)
    if out.suffix == ".onnx":
        content = to_onnx(held.generator, facts)
    else:
        content = to_safetensors(held.generator.state_dict(), facts)
    try:
        with tempfile.TemporaryDirectory() as folder:
            aside = Path(folder) / out.name
            aside.write_bytes(content)
            comparison = compare(held, opened(aside, device), photo, device)
        if not comparison.difference <= TOLERANCE:  # also where it is no number
            raise CheckpointError(
                f"{out}: not written: its drawings differ from the trained generator's by {comparison.difference:.2g}, "
                f"{TOLERANCE:g} is allowed"
            )
        write_whole(out, content)
    except OSError as error:
        raise CheckpointError(f"{out}: cannot be written ({error.strerror}); make room or name another place") from None
    return comparison


def opened(path: Path, device: torch.device = _CPU) -> Draw:
    """What an exported file draws of float32 photos; drawings lie in host memory."""
    if path.suffix == ".onnx":
        return load_onnx(path)
    generator = trained.load(path, weights="ema").generator.to(device)
    dtype = next(generator.parameters()).dtype

    def draw(photo: Images) -> Images:
        drawing: Drawing = generator(photo.to(device, dtype))
        return drawing.generated.float().cpu()

    return draw


@without_tf32()
@torch.no_grad()
def compare(held: Trained, draw: Draw, photo: Bytes, device: torch.device = _CPU) -> Comparison:
    """The exported generator's drawings beside the trained one's, of the photo and of its upper left part: two shapes,
    so that a size that was frozen into a graph shows."""
    height, width = photo.shape[2:]
    part = photo[:, :, : max(8, height // 8 * 4), : max(8, width // 12 * 4)]
    generator = held.generator.to(device)
    dtype = next(generator.parameters()).dtype
    differences = []
    for picture in (photo, part):
        trained_drawing: Drawing = generator(from_bytes(picture.to(device), dtype))
        drawn = draw(from_bytes(picture))
        differences.append((drawn - trained_drawing.generated.float().cpu()).abs().max())
    # torch's maximum keeps a drawing that is no number, where Python's may lose it.
    difference = float(torch.stack(differences).max())
    return Comparison(difference=difference, sizes=((height, width), (part.shape[2], part.shape[3])))
