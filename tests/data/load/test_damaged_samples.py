"""Damaged samples are replaced by a function of the position alone; damaged shards are not replaced."""

import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from cartoon_dist.data.format.manifest import index_path, read_index, write_record
from cartoon_dist.data.format.reader import SampleError, Shards
from cartoon_dist.data.load.loader import (
    DamagedSample,
    LocalBatch,
    LocalBatches,
    SampleStream,
    batches,
    local_batch_shapes,
    open_stream,
)
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch
from tests.data.shard_folders import damage_samples

NUM_STEPS, BATCH_SIZE = 6, 12


@pytest.fixture
def copied(shards: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shards, tmp_path / "shards"))


def stream(folder: Path, domain: str) -> SampleStream:
    shards = Shards(folder=folder / f"{domain}s", domain=domain, split="train")
    return open_stream(shards=shards, seed=3, image_size=32, fit="exact", flip=True, batch_size=4)


def batches_of(folder: Path, *, rank: int = 0, world_size: int = 1) -> LocalBatches:
    photos, cartoons = stream(folder, "photo"), stream(folder, "cartoon")
    return LocalBatches(
        photos=photos, cartoons=cartoons, batch_size=BATCH_SIZE, warmup_steps=0, rank=rank, world_size=world_size
    )


def local_batch(of: LocalBatches, step: int) -> LocalBatch:
    found = of[step]
    assert isinstance(found, LocalBatch)
    return found


def test_any_number_of_processes_chooses_the_same_replacements(copied: Path) -> None:
    damage_samples(copied / "photos", "photo", [2, 5, 11])
    damage_samples(copied / "cartoons", "cartoon", [4], member=1)
    whole = batches_of(copied)
    met = set()
    for world_size in (2, 3):
        parts = [batches_of(copied, rank=rank, world_size=world_size) for rank in range(world_size)]
        for step in range(NUM_STEPS):
            expected, local_batches = local_batch(whole, step), [local_batch(part, step) for part in parts]
            for name, side in zip(Batch._fields, expected.batch, strict=True):
                assert torch.equal(torch.cat([getattr(each.batch, name) for each in local_batches]), side)
            assert sorted(d for each in local_batches for d in each.damaged) == sorted(expected.damaged)
            met |= {(damaged.domain, damaged.sample_index) for damaged in expected.damaged}
    assert met == {("photo", 2), ("photo", 5), ("photo", 11), ("cartoon", 4)}


def test_the_replacement_is_the_next_readable_candidate_flipped_by_the_position(shards: Path, copied: Path) -> None:
    bad = {1, 2, 3, 5, 8, 13}
    damage_samples(copied / "photos", "photo", bad)
    sound, here = stream(shards, "photo"), stream(copied, "photo")
    num_replaced = 0
    for position in range(60):
        order = list(here.order.candidates(position, 50))
        chosen = next(number for number in order if number not in bad)
        sample = sound.shards.read(chosen)
        turn = -1 if here.order.random_choice(position, "flip", 2) else 1
        for found, expected in zip(here.pair(position), sample, strict=True):
            assert np.array_equal(found, expected[:, ::turn].transpose(2, 0, 1))
        num_replaced += chosen != order[0]
        if order[0] not in bad:
            assert all(np.array_equal(a, b) for a, b in zip(here.pair(position), sound.pair(position), strict=True))
    assert num_replaced > 5


@pytest.mark.parametrize("num_workers", [0, 1])
def test_damaged_samples_are_reported_before_their_batch(copied: Path, num_workers: int) -> None:
    [key] = damage_samples(copied / "photos", "photo", [7])
    here = batches_of(copied)
    yielded: list[Batch] = []
    reported: list[tuple[int, DamagedSample]] = []

    def on_damaged(met: Sequence[DamagedSample]) -> None:
        reported.extend((len(yielded), each) for each in met)

    with LoaderWorkers(num_workers, local_batch_shapes(image_size=32, num=here.partition["batch_size"])) as workers:
        for batch in batches(here, first=0, end=NUM_STEPS, on_damaged=on_damaged, workers=workers):
            yielded.append(batch)
    for step, batch in enumerate(yielded):
        assert all(torch.equal(a, b) for a, b in zip(batch, local_batch(here, step).batch, strict=True))
    assert reported == [(step, each) for step in range(NUM_STEPS) for each in local_batch(here, step).damaged]
    assert {(each.domain, each.sample_index) for _, each in reported} == {("photo", 7)}
    tar = copied / "photos/photo-000000.tar"
    assert reported[0][1].problem.startswith(
        f"{tar}: sample '{key}' has a photo that cannot be decoded; rebuild it with"
    )


def test_every_kind_of_damage_is_named(copied: Path) -> None:
    folder = copied / "photos"
    tar = folder / "photo-000000.tar"
    damage_samples(folder, "photo", [0])
    index = read_index(folder, tar.name)
    train = [place for place, entry in enumerate(index.samples) if entry.split == "train"]
    samples = list(index.samples)
    label = {"saliency.png": samples[train[1]].members["saliency.png"]}
    samples[train[1]] = dataclasses.replace(samples[train[1]], members=label)
    tail = tar.stat().st_size
    # A picture of another size, and one that ends beyond the tar.
    other = (folder / "contact-sheet.png").read_bytes()
    with tar.open("ab") as file:
        file.write(other)
    for place, span in ((2, (tail, len(other))), (3, (tail + len(other), 50))):
        entry = samples[train[place]]
        samples[train[place]] = dataclasses.replace(entry, members=entry.members | {"photo.png": span})
    write_record(index_path(folder, tar.name), dataclasses.replace(index, samples=tuple(samples)))
    here = Shards(folder=folder, domain="photo", split="train")
    said = []
    for number in range(4):
        with pytest.raises(SampleError) as caught:
            here.read(number)
        said.append(str(caught.value))
    for words, expected in zip(
        said,
        ("cannot be decoded", "has no photo;", "pixels where the set has 32 x 32", "cannot be decoded"),
        strict=True,
    ):
        assert words.startswith(f"{tar}: sample '")
        assert expected in words
    assert here.read(4).picture.shape == (32, 32, 3)


def test_a_read_error_damages_the_sample_only(copied: Path) -> None:
    here = Shards(folder=copied / "photos", domain="photo", split="train")
    here.spans(0)
    tar = here.path(0)
    tar.unlink()
    tar.mkdir()  # can be opened, and answers each read with an error
    with pytest.raises(SampleError, match=r"has a photo that cannot be read \(Is a directory\)"):
        here.read(0)


@pytest.mark.parametrize("name", ["photo-000000.tar", "photo-000000.index.json"])
def test_a_missing_shard_is_not_replaced_sample_by_sample(copied: Path, name: str) -> None:
    here = batches_of(copied)
    (copied / "photos" / name).unlink()
    found = here[0]
    assert isinstance(found, ShardError)
    assert not isinstance(found, SampleError)
    assert name in str(found)


def test_a_set_without_a_readable_sample_is_refused(copied: Path) -> None:
    here = batches_of(copied)
    damage_samples(copied / "photos", "photo", range(len(here.photos.shards)))
    with pytest.raises(ShardError, match=r"cannot be decoded.*\(and 99 samples in its place were no better\)"):
        next(batches(here, first=0, end=1, on_damaged=pytest.fail))


def test_a_partly_decoded_picture_is_damaged(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    here = Shards(folder=copied / "photos", domain="photo", split="train")
    offset, length = here.spans(0)["photo"]
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    with here.path(0).open("r+b") as tar:
        tar.seek(offset)
        tar.write((jpeg[: len(jpeg) * 3 // 4] + b"\xff\xd9").ljust(length, b"\0"))
    with pytest.raises(SampleError, match=r"has a damaged photo \(premature end of data segment\); rebuild it with"):
        here.read(0)
    assert capfd.readouterr() == ("", "")


def test_a_shard_that_is_a_named_pipe_does_not_hang(copied: Path) -> None:
    here = Shards(folder=copied / "photos", domain="photo", split="train")
    tar = here.path(0)
    here.spans(0)
    tar.unlink()
    os.mkfifo(tar)
    with pytest.raises(ShardError, match="a named pipe, not a plain file"):
        here.read(0)
    assert any("a named pipe, not a plain file" in fault for fault in here.damaged(share=slice(None)))
    for name in ("manifest.json", index_path(copied / "photos", tar.name).name):
        (copied / "photos" / name).unlink()
        os.mkfifo(copied / "photos" / name)
    with pytest.raises(ShardError, match=r"manifest\.json: cannot be read \(a named pipe, not a plain file\)"):
        Shards(folder=copied / "photos", domain="photo", split="train")
