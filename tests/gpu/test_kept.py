"""Kept samples on a GPU: batches that are copied ahead, copied out of page-locked memory, or gathered on the device are
the decoded ones to the bit, and a captured step that gathers is the plain one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from cartoon_dist.data.load.kept import Streams
from cartoon_dist.data.load.loader import LocalBatch, read_local_batches
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.tensors import Batch
from cartoon_dist.train.ahead import DeviceCopies, on_device_ahead
from cartoon_dist.train.keep_choice import Place
from cartoon_dist.train.keeping import Kept, keep_at
from tests.capture.capturing import PLAIN, capture, settings, training_step
from tests.capture.capturing import differing as differing_states
from tests.data.load.keeping import FITS, NUM_STEPS, WARMUP_STEPS, decoded, differing, steps_of, streams, workers
from tests.train.kept_steps import recording, trained

pytestmark = pytest.mark.gpu


@pytest.fixture
def loaders() -> Iterator[LoaderWorkers]:
    """Started before CUDA is used by the test."""
    with workers(32, 1) as these:
        yield these


def as_expected(both: Streams, batches: list[Batch], device: torch.device) -> None:
    assert len(batches) == NUM_STEPS
    for step, batch in enumerate(batches):
        assert {side.device.type for side in batch} == {device.type}
        assert differing(Batch(*(side.cpu() for side in batch)), decoded(both, step).batch) == []


def on_device(kept: Kept, device: torch.device, these: LoaderWorkers) -> list[Batch]:
    """All steps' batches as `train.input.local_batches` hands them out."""
    steps = steps_of(kept.streams)
    read = (
        read_local_batches(steps, first=0, end=NUM_STEPS, workers=these, take=lambda side: side)
        if kept.place == "none"
        else kept.local_batches(steps, 0, NUM_STEPS)
    )
    copies = DeviceCopies(device, kept.gather if kept.place == "host" else None)
    with closing(on_device_ahead(read, copies)) as ahead:
        found = [each.batch for each in ahead if isinstance(each, LocalBatch)]
    return [kept.gather(batch) for batch in found] if kept.place == "device" and kept.gather else found


@pytest.mark.parametrize("place", ["none", "host", "device"])
@pytest.mark.parametrize("fit", FITS)
def test_batches_on_the_device_are_the_decoded_ones(
    shards: Path, fit: str, place: Place, device: torch.device, loaders: LoaderWorkers, *, rehearsal: bool
) -> None:
    if rehearsal:
        pytest.skip("streams and page-locked memory are CUDA's")
    both = streams(shards, fit, FITS[fit])
    if place == "none":
        with workers(FITS[fit], 1) as these:
            as_expected(both, on_device(Kept("none", both), device, these), device)
        return
    with keep_at(place, device, both, loaders) as kept:
        assert place != "host" or kept.locked is not None
        as_expected(both, on_device(kept, device, loaders), device)


@pytest.mark.parametrize("mode", ["generator", "iteration"])
def test_a_captured_step_that_gathers_is_the_plain_one(
    shards: Path, mode: str, device: torch.device, loaders: LoaderWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, small = streams(shards, "crop", 16), settings("ressal_cbam", "image_size=16")
    expected = trained(
        training_step(small, PLAIN), [decoded(both, step).batch for step in range(NUM_STEPS)], WARMUP_STEPS
    )
    with keep_at("device", device, both, loaders) as kept:
        picks = [
            each.batch for each in kept.local_batches(steps_of(both), 0, NUM_STEPS) if isinstance(each, LocalBatch)
        ]
        monkeypatch.setattr("cartoon_dist.commands.check_capture.capture_phases", recording(kept))
        made = trained(training_step(small, capture(mode)), picks, WARMUP_STEPS)
    assert differing_states(expected, made) == []
    assert made.wrapped["gan"].refused == ""  # type: ignore[attr-defined]
