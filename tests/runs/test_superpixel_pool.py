"""Superpixels of pictures, in this process and in others."""

import os
import signal

import numpy as np
import pytest
import torch

from cartoon_dist.errors import CartoonError
from cartoon_dist.runs import superpixel_pool
from cartoon_dist.runs.superpixel_pool import Flattener, flattened
from cartoon_dist.superpixels.regions import split
from cartoon_dist.tensors import from_bytes
from tests.running import LIMIT_SECONDS

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 32, 24, 3), np.uint8)


def test_each_superpixel_has_its_mean_colour() -> None:
    found = split(PIXELS[0], num_segments=200, compactness=10, blur_pixels=1, connected=True)
    flat = flattened(PIXELS[0])
    assert 2 <= found.num <= 768
    for number in range(found.num):
        mine = found.labels == number
        expected = PIXELS[0][mine].mean(0)
        assert np.abs(flat[mine] - expected).max() <= 0.5


@pytest.mark.slow
def test_workers_give_what_this_process_gives() -> None:
    pictures = from_bytes(torch.from_numpy(PIXELS).permute(0, 3, 1, 2), torch.float64)
    here, there = Flattener(num_workers=0)(pictures), Flattener(num_workers=1)
    assert torch.equal(there(pictures), here)
    assert here.dtype == torch.float64
    assert there.pool is not None
    there.pool.shutdown()
    assert torch.equal(
        here,
        from_bytes(torch.from_numpy(np.stack([flattened(one) for one in PIXELS])).permute(0, 3, 1, 2), torch.float64),
    )


def test_on_paper_there_is_nothing_to_cut() -> None:
    pictures = torch.empty(1, 3, 8, 8, device="meta")
    assert Flattener(num_workers=2)(pictures) is pictures


@pytest.mark.slow
def test_a_process_that_is_killed_or_stands_still_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = torch.zeros(1, 3, 32, 32)
    flattener = Flattener(num_workers=1)
    flattener(pictures)
    assert flattener.pool is not None
    [process] = flattener.pool._processes.values()
    os.kill(process.pid, signal.SIGTERM)  # as a scheduler does to all of a job's processes: training saves first
    flattener(pictures)
    os.kill(process.pid, signal.SIGSTOP)
    monkeypatch.setattr(superpixel_pool, "WAIT_SECONDS", 0.1)
    with pytest.raises(CartoonError, match=r"a process that makes superpixels was not done"):
        flattener(pictures)
    process.join(LIMIT_SECONDS)
    assert not process.is_alive()
    monkeypatch.undo()
    flattener(pictures)
    [process] = flattener.pool._processes.values()
    process.kill()
    process.join(LIMIT_SECONDS)
    with pytest.raises(CartoonError, match=r"a process that makes superpixels was killed"):
        flattener(pictures)
