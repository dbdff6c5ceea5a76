"""Whether the photo's subject is still there in the generated picture: LPIPS between the two."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from cartoon_dist.data.format.reader import Shards
from cartoon_dist.distributed import collectives
from cartoon_dist.metrics.generated import generated_pictures, shard_pictures
from cartoon_dist.metrics.lpips import load_lpips, lpips_and_salient
from cartoon_dist.tensors import from_bytes


@torch.no_grad()
def content_lpips(
    photos: Shards, generator: nn.Module, weights_folder: Path, device: torch.device, dtype: torch.dtype, *, size: int
) -> dict[str, float]:
    """`lpips` and `lpips_salient`, the mean over all photos: over the whole picture, and weighted by the label. Less
    is nearer to the photo; a photo itself has 0.

    The processes share the photos, one a forward, so that no value depends on its batch. Waits for the others.
    WeightsError without `vgg16`.
    """
    network = load_lpips(weights_folder, device)
    pictures = shard_pictures(photos, size=size)
    generated = generated_pictures(pictures, generator, device, dtype)
    distances = []
    for index in range(collectives.rank(), len(photos), collectives.world_size()):
        photo, cartoon = (from_bytes(read([index]).to(device)) for read in (pictures, generated))
        label = torch.from_numpy(photos.read(index).companion).permute(2, 0, 1)[None].to(device)
        whole, salient = lpips_and_salient(network(cartoon, photo), from_bytes(label))
        distances.append((index, whole.item(), salient.item()))
    gathered = sorted(row for part in collectives.all_gather(distances) for row in part)
    means = np.mean([values for _, *values in gathered], axis=0)
    return {"lpips": float(means[0]), "lpips_salient": float(means[1])}
