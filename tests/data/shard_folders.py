"""Small inputs for the shard job's tests: the embedded cartoons linked into a folder, and the job over them."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.build.partition import Slice
from cartoon_dist.data.build.pipeline import Built, build
from cartoon_dist.data.format.manifest import entry_of, index_path, read_index, read_manifest, write_record
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.files.atomic import sha256_of
from tests.running import ROOT

SAMPLES = ROOT / "shards" / "samples"
SMALL = ShardSettings(image_size=64, samples_per_shard=3, num_workers=1)


def linked(folder: Path, num_pictures: int, kind: str = "cartoons") -> Path:
    """A folder of links to the first embedded pictures."""
    folder.mkdir()
    for picture in sorted((SAMPLES / kind).glob("*.jpg"))[:num_pictures]:
        (folder / picture.name).symlink_to(picture)
    return folder


def with_copies(folder: Path) -> Path:
    """Five pictures, three of them copies of `club.jpg`: smaller, stored again, both."""
    linked(folder, 2)
    picture = cv2.imread(str(folder / "club.jpg"))
    assert picture is not None
    small = cv2.resize(picture, (300, 300 * picture.shape[0] // picture.shape[1]), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "a copy.png"), small)
    cv2.imwrite(str(folder / "the same.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
    cv2.imwrite(str(folder / "zz.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return folder


def built(
    inputs: Path, out: Path, settings: ShardSettings = SMALL, domain: Domain = "cartoon", slice_: Slice | None = None
) -> Built:
    """Run the job, or a slice of it, as the command does."""
    job = plan_job([str(inputs)], domain=domain, settings=settings)
    numbers = slice_.shards(job.num_shards) if slice_ else None
    return build(job, out, settings, shown=False, numbers=numbers)


def contents(folder: Path) -> dict[str, str]:
    """Each file's hash by its name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def sealed_again(folder: Path) -> None:
    """Let index and manifest of a folder speak of the tars as they are now."""
    manifest, entries = read_manifest(folder), []
    for shard in manifest.shards:
        path = folder / shard.name
        index = replace(read_index(folder, shard.name), sha256=sha256_of(path), bytes=path.stat().st_size)
        write_record(index_path(folder, shard.name), index)
        entries.append(entry_of(index))
    write_record(folder / "manifest.json", replace(manifest, shards=tuple(entries)))


def spoil(folder: Path, domain: str, numbers: Iterable[int], member: int = 0) -> list[str]:
    """Overwrite the middle of training samples' pictures, or of their companions; the samples' keys."""
    shards = Shards(folder=folder, domain=domain, split="train")
    keys = []
    for number in numbers:
        offset, length = list(shards.spans(number).values())[member]
        with shards.path(number).open("r+b") as tar:
            tar.seek(offset + length // 2)
            tar.write(bytes(40))
        keys.append(shards.entry(number).key)
    return keys
