"""Batches of kept samples are those that decoding makes, to the bit, however they are gathered."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from cartoon_dist.data.load.fill import fill
from cartoon_dist.data.load.kept import Streams, kept_bytes, read_kept, stored_size
from cartoon_dist.data.load.loader import LocalBatch, LocalBatches
from cartoon_dist.data.load.picks import DeviceGather, PickedBatches, StagedGather
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch
from tests.data.load.keeping import FITS, NUM_STEPS, WARMUP_STEPS, decoded, differing, steps_of, streams, workers
from tests.data.shard_folders import damage_samples

WAYS = ("host", "device", "staged")
"""Read from memory on a CPU; picks gathered where all samples lie; picks whose pictures are copied one by one."""


def _as_it_is(batch: Batch) -> Batch:
    return batch


class Gathered:
    """The local batches out of what is kept, in one of the ways."""

    def __init__(self, both: Streams, way: str, *, rank: int = 0, world_size: int = 1) -> None:
        size = both[0].image_size
        with workers(size, 0) as none:
            filled = fill(both, none)
        sides = [torch.from_numpy(side) for side in filled.sides]
        kept = read_kept(both, filled.sides, filled.problems) if way == "host" else both
        steps = steps_of(kept, rank=rank, world_size=world_size)
        self.steps: LocalBatches | PickedBatches = steps
        self.gather: Callable[[Batch], Batch] = _as_it_is
        if way != "host":
            self.steps = PickedBatches(steps, problems=filled.problems, sizes=[stored_size(each) for each in both])
            device = torch.device("cpu")
            self.gather = (
                DeviceGather(sides, image_size=size)
                if way == "device"
                else StagedGather(sides, image_size=size, device=device)
            )

    def __getitem__(self, step: int) -> LocalBatch:
        found = self.steps[step]
        assert isinstance(found, LocalBatch)
        return LocalBatch(self.gather(found.batch), found.damaged)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fit", FITS)
def test_batches_are_those_that_decoding_makes(shards: Path, fit: str, way: str) -> None:
    both = streams(shards, fit, FITS[fit])
    kept = Gathered(both, way)
    for step in (*range(NUM_STEPS), 1000, 7):  # also out of order, as a run that goes on begins anywhere
        expected, found = decoded(both, step), kept[step]
        assert differing(found.batch, expected.batch) == [], (step, fit)
        assert found.damaged == expected.damaged == []
    assert [len(side) for side in kept[WARMUP_STEPS - 1].batch] == [8, 8, 0, 0]


@pytest.mark.parametrize("way", WAYS)
def test_a_process_gets_its_part(shards: Path, way: str) -> None:
    both = streams(shards, "crop", 20)
    parts = [Gathered(both, way, rank=rank, world_size=2) for rank in range(2)]
    for step in range(NUM_STEPS):
        whole = [torch.cat(sides) for sides in zip(*(part[step].batch for part in parts), strict=True)]
        expected = decoded(both, step).batch
        assert all(torch.equal(side, wanted) for side, wanted in zip(whole, expected, strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_damaged_samples_are_replaced_by_the_same_and_told_with_the_same_batch(
    shards: Path, tmp_path: Path, way: str
) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    damage_samples(copied / "photos", "photo", [2, 5, 11])
    damage_samples(copied / "cartoons", "cartoon", [4], member=1)
    both = streams(copied)
    kept = Gathered(both, way)
    told = set()
    for step in range(NUM_STEPS):
        expected, found = decoded(both, step), kept[step]
        assert differing(found.batch, expected.batch) == []
        assert found.damaged == expected.damaged
        told |= {(each.domain, each.sample_index) for each in found.damaged}
    assert told == {("photo", 2), ("photo", 5), ("photo", 11), ("cartoon", 4)}


@pytest.mark.parametrize("way", WAYS)
def test_a_set_without_a_readable_sample_is_refused_as_without_keeping(shards: Path, tmp_path: Path, way: str) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    both = streams(copied)
    damage_samples(copied / "photos", "photo", range(len(both[0].shards)))
    found, expected = Gathered(both, way).steps[0], steps_of(both)[0]
    assert isinstance(found, ShardError)
    assert str(found) == str(expected)


def test_the_gather_takes_its_numbers_from_the_picks_alone() -> None:
    """Recorded with one batch's picks, it makes another batch's pictures: nothing of the first is frozen."""
    random = torch.Generator().manual_seed(0)
    kept = [torch.randint(256, (5, 6, 6, channels), generator=random, dtype=torch.uint8) for channels in (3, 1, 3, 3)]
    gather = DeviceGather(kept, image_size=4)

    def picks(*rows: tuple[int, int, int, int]) -> Batch:
        side = torch.tensor(rows)
        return Batch(side, side, side, side)

    held = picks((0, 0, 0, 0), (1, 1, 2, 1))
    recorded = make_fx(lambda side: gather(Batch(side, side, side, side)).photo)(held.photo)
    other = picks((4, 1, 0, 2), (2, 0, 1, 1))
    expected = torch.stack([kept[0][4, 0:4, 2:6].flip(1), kept[0][2, 1:5, 1:5]]).permute(0, 3, 1, 2)
    assert torch.equal(gather(other).photo, expected)
    assert torch.equal(recorded(other.photo), expected)


def test_bytes_are_counted_from_the_manifest(shards: Path) -> None:
    both = streams(shards, "crop", 20)
    counted = 32 * 32 * (len(both[0].shards) * 4 + len(both[1].shards) * 6)  # whole pictures: windows are cut at use
    assert counted <= kept_bytes(both) <= counted + 4 * 4096
    shrunk = 16 * 16 * (len(both[0].shards) * 4 + len(both[1].shards) * 6)
    assert shrunk <= kept_bytes(streams(shards, "shrink", 16)) <= shrunk + 4 * 4096
