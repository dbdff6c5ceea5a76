"""Whether the photo's subject survives in the drawing: LPIPS between the two."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.distributed import collectives
from cartoon_dist.metrics.generated import drawn, stored
from cartoon_dist.metrics.lpips import averaged, load
from cartoon_dist.tensors import from_bytes


@torch.no_grad()
def content(
    photos: Shards, generator: nn.Module, weights_folder: Path, device: torch.device, dtype: torch.dtype, *, size: int
) -> dict[str, float]:
    """`lpips` and `lpips_salient`, the mean over all photos: over the whole picture, and weighted by the label. Less
    is nearer to the photo; a photo itself has 0.

    The processes share the photos, one by one, so that no number depends on their company. Waits for the others.
    WeightsError without `vgg16`.
    """
    network = load(weights_folder, device)
    pictures = stored(photos, size=size)
    drawings = drawn(pictures, generator, device, dtype)
    found = []
    for number in range(collectives.rank(), len(photos), collectives.world_size()):
        photo, drawing = (from_bytes(take([number]).to(device)) for take in (pictures, drawings))
        label = torch.from_numpy(photos.read(number).companion).permute(2, 0, 1)[None].to(device)
        whole, salient = averaged(network(drawing, photo), from_bytes(label))
        found.append((number, whole.item(), salient.item()))
    gathered = sorted(one for part in collectives.gather(found) for one in part)
    means = np.mean([values for _, *values in gathered], axis=0)
    return {"lpips": float(means[0]), "lpips_salient": float(means[1])}
