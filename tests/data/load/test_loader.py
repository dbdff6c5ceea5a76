"""Reading, against plain tar files and OpenCV; and each process's part of the global batch."""

import dataclasses
import os
import shutil
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cartoon_dist.data.format import reader
from cartoon_dist.data.format.manifest import index_path, read_index, write_record
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.load.loader import (
    DamagedSample,
    LocalBatch,
    LocalBatches,
    SampleStream,
    batches,
    local_batch_shapes,
    open_stream,
)
from cartoon_dist.data.load.loader_workers import Buffers, LoaderWorkers
from cartoon_dist.data.load.sampler import SampleOrder
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch
from tests.data.shard_folders import SMALL, build_shards, link_samples


def opened(shards: Path, domain: str = "photo", split: str = "train") -> Shards:
    return Shards(folder=shards / f"{domain}s", domain=domain, split=split)


def stream(shards: Path, domain: str, *, flip: bool = False, fit: str = "exact", size: int = 32) -> SampleStream:
    return open_stream(
        shards=opened(shards, domain), seed=3, image_size=size, fit=fit, flip=flip, batch_size=4  # type: ignore[arg-type]
    )  # fmt: skip


def batches_of(shards: Path, *, rank: int, world_size: int, warmup_steps: int = 0, flip: bool = True) -> LocalBatches:
    photos, cartoons = stream(shards, "photo", flip=flip), stream(shards, "cartoon", flip=flip)
    return LocalBatches(
        photos=photos, cartoons=cartoons, batch_size=12, warmup_steps=warmup_steps, rank=rank, world_size=world_size
    )


def batch(of: LocalBatches, step: int) -> Batch:
    local_batch = of[step]
    assert isinstance(local_batch, LocalBatch)
    assert not local_batch.damaged
    return local_batch.batch


def read_batches(of: LocalBatches, *, first: int = 0, end: int, num_workers: int) -> Iterator[Batch]:
    num = of.partition["batch_size"] // of.partition["world_size"]
    with LoaderWorkers(num_workers, local_batch_shapes(image_size=of.photos.image_size, num=num)) as workers:
        yield from batches(of, first=first, end=end, on_damaged=pytest.fail, workers=workers)


def test_samples_equal_the_members_of_the_tar(shards: Path) -> None:
    for domain, companion in (("photo", "saliency"), ("cartoon", "smoothed")):
        here = opened(shards, domain)
        with tarfile.open(shards / f"{domain}s/{domain}-000000.tar") as tar:
            held = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        for number in range(len(here)):
            sample, key = here.read(number), here.entry(number).key
            [name] = [name for name in held if name.startswith(f"{key}.{domain}.")]
            rgb = cv2.cvtColor(cv2.imdecode(np.frombuffer(held[name], np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            assert np.array_equal(sample.picture, rgb)
            assert held[f"{key}.{companion}.png"]
            assert sample.companion.shape == (32, 32, 1 if domain == "photo" else 3)


def test_the_splits_share_no_sample_and_no_scene(shards: Path) -> None:
    train, test = opened(shards, "cartoon"), opened(shards, "cartoon", "test")
    scenes = [{entry.scene for entry in side.entries()} for side in (train, test)]
    assert all(scenes)
    assert scenes[0] & scenes[1] == set()


def test_any_number_of_processes_sees_the_same_global_batch(shards: Path) -> None:
    whole = batches_of(shards, rank=0, world_size=1)
    for world_size in (2, 3):
        parts = [batches_of(shards, rank=rank, world_size=world_size) for rank in range(world_size)]
        for step in (0, 5):
            local_batches = [batch(part, step) for part in parts]
            for name, expected in zip(Batch._fields, batch(whole, step), strict=True):
                assert torch.equal(torch.cat([getattr(part, name) for part in local_batches]), expected)


def test_a_warm_up_step_has_photos_only_and_the_cartoons_begin_after_it(shards: Path) -> None:
    late = batches_of(shards, rank=0, world_size=1, warmup_steps=2)
    first, third = batch(late, 0), batch(late, 2)
    assert [len(part) for part in first] == [12, 12, 0, 0]
    early = batch(batches_of(shards, rank=0, world_size=1), 0)
    assert torch.equal(third.cartoon, early.cartoon)
    assert not torch.equal(third.photo, early.photo)


def test_a_flip_takes_the_companion_along(shards: Path) -> None:
    plain, flipped = stream(shards, "photo"), stream(shards, "photo", flip=True)
    kinds = set()
    for position in range(20):
        (photo, label), (turned, turned_label) = plain.pair(position), flipped.pair(position)
        same = np.array_equal(photo, turned)
        assert same is np.array_equal(label, turned_label)
        if not same:
            assert np.array_equal(photo[:, :, ::-1], turned)
            assert np.array_equal(label[:, :, ::-1], turned_label)
        kinds.add(same)
    assert kinds == {True, False}


def test_a_crop_is_the_same_in_both_and_moves_with_the_position(shards: Path) -> None:
    whole, cut = stream(shards, "photo"), stream(shards, "photo", fit="crop", size=16)
    corners = set()
    for position in range(12):
        (photo, label), (window, label_window) = whole.pair(position), cut.pair(position)
        found = [
            (top, left)
            for top in range(17)
            for left in range(17)
            if np.array_equal(photo[:, top : top + 16, left : left + 16], window)
            and np.array_equal(label[:, top : top + 16, left : left + 16], label_window)
        ]
        assert found
        corners |= set(found)
    assert len(corners) > 6


def test_shrinking_averages_pixels(shards: Path) -> None:
    whole, small = stream(shards, "photo"), stream(shards, "photo", fit="shrink", size=16)
    photo, _ = whole.pair(0)
    by_hand = photo.reshape(3, 16, 2, 16, 2).astype(float).mean((2, 4))
    assert np.abs(small.pair(0)[0] - by_hand).max() <= 0.5


@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_come_in_order_from_any_number_of_workers(shards: Path, num_workers: int) -> None:
    here = batches_of(shards, rank=0, world_size=2)
    found = list(read_batches(here, first=3, end=7, num_workers=num_workers))
    assert len(found) == 4
    for step, own in enumerate(found, 3):
        assert all(torch.equal(a, b) for a, b in zip(own, batch(here, step), strict=True))


class Dying(LocalBatches):
    """Its worker is killed at step 2: while the training process waits for it, as it reads nothing else."""

    def read(self, step: int, buffers: Buffers) -> list[DamagedSample] | ShardError:
        if step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(step, buffers)


def test_a_killed_worker_is_reported(shards: Path) -> None:
    photos, cartoons = stream(shards, "photo"), stream(shards, "cartoon")
    dying = Dying(photos=photos, cartoons=cartoons, batch_size=12, warmup_steps=0, rank=0, world_size=1)
    with pytest.raises(ShardError, match="process 0 got no batch: a loader worker was killed by signal 9"):
        list(read_batches(dying, end=99, num_workers=1))


def test_a_batch_is_the_callers_own_while_the_workers_read_on(shards: Path) -> None:
    here = batches_of(shards, rank=0, world_size=1, warmup_steps=3)
    found = list(read_batches(here, end=30, num_workers=1))  # ten times as many as there are buffers
    for step, own in enumerate(found):
        assert all(torch.equal(a, b) for a, b in zip(own, batch(here, step), strict=True))


def test_workers_do_not_wait_for_the_threads_of_the_process_they_were_forked_from(shards: Path) -> None:
    cv2.setNumThreads(4)
    for _ in range(20):  # large enough that OpenCV starts its threads
        cv2.GaussianBlur(np.zeros((1000, 1000, 3), np.uint8), (9, 9), 3)
    ahead = read_batches(batches_of(shards, rank=0, world_size=1), end=3, num_workers=2)
    assert len(list(ahead)) == 3


def test_a_missing_shard_is_named(shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards, tmp_path, dirs_exist_ok=True)
    (tmp_path / "photos/photo-000000.tar").unlink()
    here = opened(tmp_path)
    with pytest.raises(ShardError, match=r"photo-000000\.tar: No such file"):
        here.read(0)
    assert here.damaged(share=slice(None)) != []


def test_the_order_reaches_every_sample(shards: Path) -> None:
    here = stream(shards, "photo")
    order = SampleOrder(seed=3, domain="photo", num_samples=len(here.shards))
    keys = {here.shards.entry(order.sample(position)).key for position in range(len(here.shards))}
    assert keys == {entry.key for entry in here.shards.entries()}


def test_a_set_of_many_shards_keeps_few_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_shards(link_samples(tmp_path / "in", 5), tmp_path / "out", dataclasses.replace(SMALL, samples_per_shard=1))
    here = Shards(folder=tmp_path / "out", domain="cartoon", split=None)
    expected = [here.read(number).picture for number in range(5)]
    monkeypatch.setattr(reader, "MAX_OPEN", 2)
    monkeypatch.setattr(reader, "_OPEN", {})
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in (0, 1, 2, 0, 4, 3, 4, 1):
        assert np.array_equal(here.read(number).picture, expected[number])
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 2


def test_an_index_with_another_count_is_refused(tmp_path: Path) -> None:
    build_shards(link_samples(tmp_path / "in", 3), tmp_path / "out")
    index = read_index(tmp_path / "out", "cartoon-000000.tar")
    write_record(index_path(tmp_path / "out", index.shard), dataclasses.replace(index, samples=index.samples[:2]))
    here = Shards(folder=tmp_path / "out", domain="cartoon", split=None)
    with pytest.raises(ShardError, match=r"its index lists 2 samples where the manifest counts 3; rebuild it with"):
        here.read(0)
    assert len(here.damaged(share=slice(None))) == 1
