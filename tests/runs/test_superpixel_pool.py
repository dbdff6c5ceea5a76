"""Superpixel images, computed in this process and in others."""

import os
import signal

import numpy as np
import pytest
import torch

from cartoon_dist.errors import CartoonError
from cartoon_dist.runs import superpixel_pool
from cartoon_dist.runs.superpixel_pool import SuperpixelPool, average_superpixels
from cartoon_dist.superpixels.regions import split_into_superpixels
from cartoon_dist.tensors import from_bytes
from tests.running import LIMIT_SECONDS

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 24, 3), np.uint8)


def test_each_superpixel_has_its_mean_colour() -> None:
    superpixels = split_into_superpixels(PIXELS[0], num_segments=200, compactness=10, blur_pixels=1, connected=True)
    flat = average_superpixels(PIXELS[0])
    assert 2 <= superpixels.num <= 768
    for label in range(superpixels.num):
        mine = superpixels.labels == label
        expected = PIXELS[0][mine].mean(0)
        assert np.abs(flat[mine] - expected).max() <= 0.5


@pytest.mark.slow
def test_workers_give_the_same_images_as_this_process() -> None:
    pictures = from_bytes(torch.from_numpy(PIXELS).permute(0, 3, 1, 2), torch.float64)
    here, there = SuperpixelPool(num_workers=0)(pictures), SuperpixelPool(num_workers=1)
    assert torch.equal(there(pictures), here)
    assert here.dtype == torch.float64
    assert there.pool is not None
    there.pool.shutdown()
    assert torch.equal(
        here,
        from_bytes(
            torch.from_numpy(np.stack([average_superpixels(one) for one in PIXELS])).permute(0, 3, 1, 2), torch.float64
        ),
    )


def test_the_meta_device_returns_its_input() -> None:
    pictures = torch.empty(1, 3, 8, 8, device="meta")
    assert SuperpixelPool(num_workers=2)(pictures) is pictures


@pytest.mark.slow
def test_a_killed_or_hanging_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.zeros(1, 3, 32, 32)
    pool = SuperpixelPool(num_workers=1)
    pool(pictures)
    assert pool.pool is not None
    [process] = pool.pool._processes.values()
    os.kill(process.pid, signal.SIGTERM)  # as a scheduler does to all of a job's processes: training saves first
    pool(pictures)
    os.kill(process.pid, signal.SIGSTOP)
    monkeypatch.setattr(superpixel_pool, "WAIT_SECONDS", 0.1)
    with pytest.raises(CartoonError, match=r"a process that makes superpixels was not done"):
        pool(pictures)
    process.join(LIMIT_SECONDS)
    assert not process.is_alive()
    monkeypatch.undo()
    pool(pictures)
    [process] = pool.pool._processes.values()
    process.kill()
    process.join(LIMIT_SECONDS)
    with pytest.raises(CartoonError, match=r"a process that makes superpixels was killed"):
        pool(pictures)
