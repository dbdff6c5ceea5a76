"""White-box's superpixel images, computed by a pool of processes while the training step waits."""

import signal
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray

from cartoon_dist.data.build.workers import init_worker, kill_pool
from cartoon_dist.errors import CartoonError
from cartoon_dist.gpu import layout
from cartoon_dist.superpixels.regions import split_into_superpixels
from cartoon_dist.tensors import Images, from_bytes, to_bytes

Pixels = NDArray[np.uint8]

WAIT_SECONDS = 600.0
"""How long a step waits for its superpixels; a picture takes a fraction of a second."""
COMPACTNESS, BLUR_PIXELS = 10.0, 1.0


class SuperpixelPool:
    """Pictures in [-1, 1] -> the same with each superpixel in its mean colour (SLIC: compactness 10, sigma 1).

    num_segments: how many superpixels a picture is cut into, about; the authors' program has 200.
    num_workers: processes, started at the first call; 0 computes in this one. Waits for the device: a step that needs
    superpixels of generated images cannot be captured as a CUDA graph. On the meta device returns its input.
    CartoonError when a process is killed or hangs.
    """

    def __init__(self, *, num_workers: int, num_segments: int) -> None:
        self.num_workers = num_workers
        self.average = partial(average_superpixels, num_segments=num_segments)
        self.pool: ProcessPoolExecutor | None = None

    def __call__(self, pictures: Images) -> Images:
        """Returns images of the same type and device; values are rounded to whole bytes in between."""
        if pictures.is_meta:
            return pictures
        pixels = to_bytes(pictures).permute(0, 2, 3, 1).cpu().numpy()  # n h w 3
        flat = np.stack(list(self._map(pixels)))
        flat_bytes = torch.from_numpy(flat).permute(0, 3, 1, 2).to(pictures.device)
        return from_bytes(flat_bytes, pictures.dtype, layout.memory_format(pictures.device))

    def _map(self, pixels: Pixels) -> Iterable[Pixels]:
        if not self.num_workers:
            return map(self.average, pixels)
        if self.pool is None:
            context = get_context("spawn")
            self.pool = ProcessPoolExecutor(self.num_workers, mp_context=context, initializer=_start)
        try:
            return list(self.pool.map(self.average, pixels, timeout=WAIT_SECONDS))
        except (BrokenProcessPool, TimeoutError) as error:
            kill_pool(self.pool)
            self.pool = None
            how = "was not done" if isinstance(error, TimeoutError) else "was killed"
            raise CartoonError(
                f"a process that makes superpixels {how} (the limit is {WAIT_SECONDS:g} s), mostly for want of memory; "
                "give the same command a smaller data.num_workers= to go on"
            ) from None


def _start() -> None:
    """Starts like a worker of a shard job, and ignores SIGTERM: training saves first, and needs the pool until then."""
    init_worker()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def average_superpixels(picture: Pixels, *, num_segments: int) -> Pixels:
    """A picture (h, w, 3) with each of about so many superpixels in its mean colour."""
    superpixels = split_into_superpixels(
        picture, num_segments=num_segments, compactness=COMPACTNESS, blur_pixels=BLUR_PIXELS, connected=True
    )
    return np.rint(superpixels.means(picture)[superpixels.labels]).astype(np.uint8)
