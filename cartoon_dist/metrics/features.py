"""Pictures to feature vectors, shared by any number of processes, in an order that does not depend on them.

Pictures go through the network in blocks of `batch_size`, cut as one process would cut them; process r takes the blocks
r, r + world, r + 2 world, ... So every block has the same company whatever the number of processes, and the vectors are
to the bit those of one process. The blocks are put back in order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cartoon_dist.distributed import collectives
from cartoon_dist.errors import WeightsError
from cartoon_dist.files.atomic import sha256_of
from cartoon_dist.metrics import efficientnet
from cartoon_dist.metrics.feature_store import FeatureStore
from cartoon_dist.pretrained import resolve
from cartoon_dist.tensors import Bytes

Kind = Literal["inception", "efficientnet_lite0"]
Pictures = Callable[[Sequence[int]], Bytes]
"""The pictures of the given numbers, uint8 RGB in host memory."""


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """A frozen network that turns pictures (uint8 RGB, any size) into feature vectors, and what a reader must know of
    it."""

    kind: Kind
    layer: str
    weights_sha256: str
    resize: str
    device: torch.device
    extract: Callable[[Bytes], Float[Tensor, "n c"]]


def extractor(kind: Kind, folder: Path, device: torch.device, *, layer: str = "2048") -> Extractor:
    """The extractor with its weights from the folder; WeightsError where they are missing: never another network
    instead.

    layer: of Inception alone, one of torch-fidelity's (`64`, `192`, `768`, `2048`).
    """
    path = resolve(kind, folder)
    return inception(path, device, layer=layer) if kind == "inception" else _efficientnet(path, device)


def inception(path: Path, device: torch.device, *, layer: str) -> Extractor:
    """torch-fidelity's own Inception, the one FID is defined by."""
    try:
        torch.load(path, map_location="cpu", weights_only=True)  # torch-fidelity would run what a pickle names
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{path}: not plain weights ({type(error).__name__}); fetch them again") from None
    # Here: it brings torchvision, a second that training without a score need not wait for.
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", [layer], feature_extractor_weights_path=str(path))
    return Extractor(
        kind="inception",
        layer=layer,
        weights_sha256=sha256_of(path),
        resize="299 px, bilinear as in TensorFlow 1",
        device=device,
        extract=_first(network.to(device)),
    )


def _efficientnet(path: Path, device: torch.device) -> Extractor:
    return Extractor(
        kind="efficientnet_lite0",
        layer="pooled",
        weights_sha256=sha256_of(path),
        resize=f"{efficientnet.PIXELS} px, bilinear without antialiasing",
        device=device,
        extract=efficientnet.load_file(str(path)).to(device).features,
    )


def _first(network: nn.Module) -> Callable[[Bytes], Float[Tensor, "n c"]]:
    """torch-fidelity's extractors return a tuple, a tensor for each layer asked for."""

    def extract(pictures: Bytes) -> Float[Tensor, "n c"]:
        features: Tensor = network(pictures)[0]
        return features

    return extract


@torch.no_grad()
def features(
    pictures: Pictures, num: int, seen_by: Extractor, *, batch_size: int, store: FeatureStore | None = None
) -> Float[Tensor, "num c"]:
    """The feature vectors of pictures 0..num-1, in order, in host memory, on every process. Waits for the others.

    store: where vectors are kept; those that lie there already are taken, whatever the number of processes was.
    """
    blocks = [range(start, min(num, start + batch_size)) for start in range(0, num, batch_size)]
    mine = blocks[collectives.rank() :: collectives.world_size()]
    parts = collectives.gather([(block.start, _seen(pictures, block, seen_by, store)) for block in mine])
    found = dict(one for part in parts for one in part)
    assert sorted(found) == [block.start for block in blocks], "a block is missing or was taken twice"
    return torch.cat([found[block.start] for block in blocks]) if blocks else torch.empty(0)


def _seen(pictures: Pictures, block: range, seen_by: Extractor, store: FeatureStore | None) -> Float[Tensor, "n c"]:
    held = store.load(block) if store else None
    if held is not None:
        return held
    vectors = seen_by.extract(pictures(block).to(seen_by.device)).float().cpu()
    if store:
        store.save(block, vectors)
    return vectors
