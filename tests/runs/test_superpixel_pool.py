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


def pool(*, num_workers: int) -> SuperpixelPool:
    """A pool with the authors' number of superpixels."""
    return SuperpixelPool(num_workers=num_workers, num_segments=200)


def test_each_superpixel_has_its_mean_colour() -> None:
    superpixels = split_into_superpixels(PIXELS[0], num_segments=200, compactness=10, blur_pixels=1, connected=True)
    flat = average_superpixels(PIXELS[0], num_segments=200)
    assert 2 <= superpixels.num <= 768
    for label in range(superpixels.num):
        mine = superpixels.labels == label
        expected = PIXELS[0][mine].mean(0)
        assert np.abs(flat[mine] - expected).max() <= 0.5


def test_fewer_segments_make_larger_patches() -> None:
    smooth = np.linspace(0, 255, 96 * 96, dtype=np.uint8).reshape(96, 96, 1).repeat(3, 2)
    few, many = (len(np.unique(average_superpixels(smooth, num_segments=number))) for number in (9, 100))
    assert 2 * few < many


@pytest.mark.slow
def test_workers_give_the_same_images_as_this_process() -> None:
    pictures = from_bytes(torch.from_numpy(PIXELS).permute(0, 3, 1, 2), torch.float64)
    here, there = pool(num_workers=0)(pictures), pool(num_workers=1)
    assert torch.equal(there(pictures), here)
    assert here.dtype == torch.float64
    assert there.pool is not None
    there.pool.shutdown()
    flat = np.stack([average_superpixels(one, num_segments=200) for one in PIXELS])
    assert torch.equal(here, from_bytes(torch.from_numpy(flat).permute(0, 3, 1, 2), torch.float64))


def test_the_meta_device_returns_its_input() -> None:
    pictures = torch.empty(1, 3, 8, 8, device="meta")
    assert pool(num_workers=2)(pictures) is pictures


@pytest.mark.slow
def test_a_killed_or_hanging_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.zeros(1, 3, 32, 32)
    waiting = pool(num_workers=1)
    waiting(pictures)
    assert waiting.pool is not None
    [process] = waiting.pool._processes.values()
    os.kill(process.pid, signal.SIGTERM)  # as a scheduler does to all of a job's processes: training saves first
    waiting(pictures)
    os.kill(process.pid, signal.SIGSTOP)
    monkeypatch.setattr(superpixel_pool, "WAIT_SECONDS", 0.1)
    with pytest.raises(CartoonError, match=r"a process that makes superpixels was not done"):
        waiting(pictures)
    while process.is_alive():  # join alone comes back when its files are closed, a moment before it is gone
        process.join(LIMIT_SECONDS)
    monkeypatch.undo()
    waiting(pictures)
    [process] = waiting.pool._processes.values()
    process.kill()
    process.join(LIMIT_SECONDS)
    with pytest.raises(CartoonError, match=r"a process that makes superpixels was killed"):
        waiting(pictures)
