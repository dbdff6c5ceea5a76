"""Pictures to feature vectors, shared by any number of processes, to the bit as one process computes them.

Pictures go through the network in blocks of `batch_size`, cut as one process would cut them; process r takes the blocks
r, r + world, r + 2 world, ... So every block is the same whatever the number of processes, and the vectors are to the
bit those of one process. The blocks are put back in order.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cartoon_dist.cpu.beside import map_ahead
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import WeightsError
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.metrics import efficientnet
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.pretrained import resolve
from cartoon_dist.tensors import Bytes

ExtractorKind = Literal["inception", "efficientnet_lite0"]
PictureReader = Callable[[Sequence[int]], Bytes]
"""Reads the pictures of some indices: uint8 RGB, n 3 h w, in host memory."""
_BLOCKS_AHEAD = 3
"""Of pictures, read ahead of a GPU."""


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A frozen network that turns pictures (uint8 RGB, any size) into feature vectors, and how a score describes it."""

    kind: ExtractorKind
    layer: str
    weights_sha256: str
    resize: str
    device: torch.device
    extract: Callable[[Bytes], Float[Tensor, "n c"]]


def load_extractor(kind: ExtractorKind, folder: Path, device: torch.device, *, layer: str = "2048") -> Extractor:
    """The extractor with its weights from the folder; WeightsError where they are missing. Another network is never
    used instead.

    layer: of Inception alone, one of torch-fidelity's (`64`, `192`, `768`, `2048`).
    """
    path = resolve(kind, folder, or_half=kind == "efficientnet_lite0")
    return load_inception(path, device, layer=layer) if kind == "inception" else _load_efficientnet(path, device)


def load_inception(path: Path, device: torch.device, *, layer: str) -> Extractor:
    """torch-fidelity's own Inception, the one FID is defined by."""
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity would run what a pickle names
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{path}: not plain weights ({type(error).__name__}); fetch them again") from None
    # Here: it imports torchvision, which takes a second; training without a score does not need it.
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", [layer], feature_extractor_weights_path=str(path))
    return Extractor(
        kind="inception",
        layer=layer,
        weights_sha256=sha256_of(path),
        resize="299 px, bilinear as in TensorFlow 1",
        device=device,
        extract=_first_layer(network.to(device)),
    )


def _load_efficientnet(path: Path, device: torch.device) -> Extractor:
    return Extractor(
        kind="efficientnet_lite0",
        layer="pooled",
        weights_sha256=sha256_of(path),
        resize=f"{efficientnet.PIXELS} px, bilinear without antialiasing",
        device=device,
        extract=efficientnet.load_file(str(path)).to(device).features,
    )


def _first_layer(network: nn.Module) -> Callable[[Bytes], Float[Tensor, "n c"]]:
    """torch-fidelity's extractors return a tuple, a tensor for each layer asked for."""

    def extract(pictures: Bytes) -> Float[Tensor, "n c"]:
        vectors: Tensor = network(pictures)[0]
        return vectors

    return extract


@torch.no_grad()
def extract_features(
    pictures: PictureReader,
    num: int,
    extractor: Extractor,
    *,
    batch_size: int,
    store: FeatureStore | None = None,
    are_decoded: bool = True,
) -> Float[Tensor, "num c"]:
    """The feature vectors of pictures 0..num-1, in order, in host memory, on every process. Waits for the others.

    store: where vectors are kept; those already there are read, whatever the number of processes that wrote them.
    are_decoded: reading them is work of the CPU alone, which is done ahead of a GPU, in a thread; not of those that the
    GPU draws. On a GPU the last block is filled up, so that each picture is seen in a batch of the same size.
    """
    blocks = [range(start, min(num, start + batch_size)) for start in range(0, num, batch_size)]
    mine = blocks[collectives.rank() :: collectives.world_size()]
    on_gpu = extractor.device.type == "cuda"
    with ThreadPoolExecutor(1) if on_gpu and are_decoded else nullcontext() as pool:
        known = map_ahead(
            lambda block: _read(pictures, block, store), mine, pool, cost=lambda _: 1, max_cost=_BLOCKS_AHEAD
        )
        computed = [
            (
                block.start,
                one if is_vectors else _extract(extractor, one, block, store, fill=batch_size if on_gpu else 0),
            )
            for block, (is_vectors, one) in zip(mine, known, strict=True)
        ]
    vectors = dict(pair for part in collectives.all_gather(computed) for pair in part)
    assert sorted(vectors) == [block.start for block in blocks], "a block is missing or was computed twice"
    return torch.cat([vectors[block.start] for block in blocks]) if blocks else torch.empty(0)


def _read(pictures: PictureReader, block: range, store: FeatureStore | None) -> tuple[bool, Tensor]:
    """True and the block's vectors where they are kept; else False and its pictures."""
    stored = store.load(block) if store else None
    return (True, stored) if stored is not None else (False, pictures(block))


def _extract(
    extractor: Extractor, pictures: Bytes, block: range, store: FeatureStore | None, *, fill: int
) -> Float[Tensor, "n c"]:
    """The vectors of a block's pictures. fill: a smaller block is filled up to so many, by its last picture."""
    missing = max(0, fill - len(pictures))
    if missing:
        pictures = torch.cat([pictures, pictures[-1:].expand(missing, -1, -1, -1)])
    if extractor.device.type == "cuda":
        pictures = pictures.pin_memory()
    vectors = extractor.extract(pictures.to(extractor.device, non_blocking=True)).float().cpu()[: len(block)]
    if store:
        store.save(block, vectors)
    return vectors
