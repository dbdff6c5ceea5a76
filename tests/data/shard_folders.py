"""Helpers for tests of shard folders: small inputs of linked samples, a build of them, and damage to its tars."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.build.partition import Slice
from cartoon_dist.data.build.pipeline import BuildResult, build
from cartoon_dist.data.format.manifest import index_path, read_index, read_manifest, shard_entry, write_record
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.files.bounded import sha256_of
from tests.running import ROOT

SAMPLES = ROOT / "shards" / "samples"
SMALL = ShardSettings(image_size=64, samples_per_shard=3, num_workers=1)


def link_samples(folder: Path, num_pictures: int, kind: str = "cartoons") -> Path:
    """A folder of links to the first embedded pictures."""
    folder.mkdir()
    for picture in sorted((SAMPLES / kind).glob("*.jpg"))[:num_pictures]:
        (folder / picture.name).symlink_to(picture)
    return folder


def link_with_copies(folder: Path) -> Path:
    """Five pictures, three of them copies of `club.jpg`: smaller, stored again, both."""
    link_samples(folder, 2)
    picture = cv2.imread(str(folder / "club.jpg"))
    assert picture is not None
    small = cv2.resize(picture, (300, 300 * picture.shape[0] // picture.shape[1]), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "a copy.png"), small)
    cv2.imwrite(str(folder / "the same.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
    cv2.imwrite(str(folder / "zz.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return folder


def build_shards(
    inputs: Path, out: Path, settings: ShardSettings = SMALL, domain: Domain = "cartoon", slice_: Slice | None = None
) -> BuildResult:
    """Run the job, or a slice of it, as the command does."""
    job = plan_job([str(inputs)], domain=domain, settings=settings)
    shard_numbers = slice_.shards(job.num_shards) if slice_ else None
    return build(job, out, settings, shown=False, shard_numbers=shard_numbers)


def file_hashes(folder: Path) -> dict[str, str]:
    """Each file's hash by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def rewrite_records(folder: Path) -> None:
    """Rewrite index and manifest of a folder to match the tars as they are now."""
    manifest, entries = read_manifest(folder), []
    for shard in manifest.shards:
        path = folder / shard.name
        index = replace(read_index(folder, shard.name), sha256=sha256_of(path), bytes=path.stat().st_size)
        write_record(index_path(folder, shard.name), index)
        entries.append(shard_entry(index))
    write_record(folder / "manifest.json", replace(manifest, shards=tuple(entries)))


def damage_samples(folder: Path, domain: str, positions: Iterable[int], member: int = 0) -> list[str]:
    """Overwrite the middle of training samples' pictures, or of their companions; returns the samples' keys."""
    shards = Shards(folder=folder, domain=domain, split="train")
    keys = []
    for position in positions:
        offset, length = list(shards.spans(position).values())[member]
        with shards.path(position).open("r+b") as tar:
            tar.seek(offset + length // 2)
            tar.write(bytes(40))
        keys.append(shards.entry(position).key)
    return keys
