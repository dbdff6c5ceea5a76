"""Feature vectors on the disk: read when all that they depend on is unchanged, and never otherwise."""

import os
from pathlib import Path

import pytest
import torch

from cartoon_dist.metrics.feature_store import FeatureStore

MADE_FROM = {"cartoons": {"fingerprint": "ab", "pixels": 64}, "seen": {"weights_sha256": "cd", "batch_size": 4}}
BLOCK = range(4, 8)


def stored(root: Path) -> tuple[FeatureStore, torch.Tensor]:
    store, vectors = FeatureStore(root, MADE_FROM), torch.randn(4, 5)
    store.save(BLOCK, vectors)
    return store, vectors


def test_a_block_comes_back_to_the_bit_and_only_that_block(tmp_path: Path) -> None:
    store, vectors = stored(tmp_path)
    loaded = FeatureStore(tmp_path, MADE_FROM).load(BLOCK)
    assert loaded is not None
    assert torch.equal(loaded, vectors)
    assert store.load(range(4)) is None
    assert store.load(range(4, 7)) is None
    store.remove()
    store.remove()
    assert FeatureStore(tmp_path, MADE_FROM).load(BLOCK) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"cartoons": {"fingerprint": "ac", "pixels": 64}},
        {"cartoons": {"fingerprint": "ab", "pixels": 96}},
        {"seen": {"weights_sha256": "ce", "batch_size": 4}},
        {"seen": {"weights_sha256": "cd", "batch_size": 8}},
    ],
)
def test_another_set_has_another_folder(tmp_path: Path, changed: dict[str, object]) -> None:
    stored(tmp_path)
    assert FeatureStore(tmp_path, MADE_FROM | changed).load(BLOCK) is None


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_damaged_block_is_none(tmp_path: Path, place: int) -> None:
    store, _ = stored(tmp_path)
    [path] = store.folder.glob("*.npy")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert store.load(BLOCK) is None
    path.write_bytes(content[:-3])
    assert store.load(BLOCK) is None


def test_a_disk_that_cannot_be_written_is_reported_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store, _ = stored(tmp_path / "file")
    assert "cannot be written" in store.write_error
    assert store.load(BLOCK) is None


def test_a_block_that_is_not_finite_is_none(tmp_path: Path) -> None:
    store, vectors = stored(tmp_path)
    vectors[2, 3] = torch.nan
    store.save(BLOCK, vectors)
    assert store.load(BLOCK) is None


def test_a_block_that_is_no_plain_file_is_none(tmp_path: Path) -> None:
    store, _ = stored(tmp_path)
    [block] = store.folder.glob("*.npy")
    block.unlink()
    os.mkfifo(block)
    first, last = map(int, block.stem.split("-"))
    assert store.load(range(first, last)) is None
