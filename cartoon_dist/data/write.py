"""Writes one shard: samples into a tar under another name, the tar into its place, then its mark, the index."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cartoon_dist.data.manifest import SampleEntry, ShardIndex, Skipped, index_path, write_record
from cartoon_dist.data.prepare import Prepared
from cartoon_dist.data.sample import RECORD_MEMBER
from cartoon_dist.data.tars import read_groups
from cartoon_dist.files import sha256_of, sync_folder

PART = ".part"
"""The ending of a tar that is being written; one that is left over belongs to a killed job and is overwritten."""


def write_shard(folder: Path, name: str, settings_sha256: str, prepared: Iterable[Prepared]) -> ShardIndex:
    """Write a shard's tar and index, both durably; a shard without samples gets an index alone.

    The same samples give the same bytes: members carry no time, owner or machine.
    """
    path, skipped = folder / name, list[Skipped]()
    part = path.with_name(name + PART)
    try:
        num_samples = _fill(part, prepared, skipped)
        if num_samples:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)
    if num_samples:
        samples = tuple(_list_samples(path))
        index = ShardIndex(name, sha256_of(path), path.stat().st_size, settings_sha256, samples, tuple(skipped))
    else:
        path.unlink(missing_ok=True)  # an empty tar stops some readers
        index = ShardIndex(name, "", 0, settings_sha256, (), tuple(skipped))
    write_record(index_path(folder, name), index)
    return index


def _fill(part: Path, prepared: Iterable[Prepared], skipped: list[Skipped]) -> int:
    """Write a tar, down to the disk, and tell how many samples it holds; pictures without any go to `skipped`."""
    from webdataset import TarWriter  # imports torch: seconds that a run with nothing left to do need not wait

    num_samples = 0
    with part.open("wb") as file:
        with TarWriter(file, encoder=False, mtime=0) as tar:
            for picture in prepared:
                if picture.reason is not None:
                    skipped.append(Skipped(picture.task.picture.name, picture.reason))
                for sample in picture.samples:
                    tar.write({"__key__": sample.key, **sample.members})
                    num_samples += 1
        file.flush()
        os.fsync(file.fileno())
    return num_samples


def _list_samples(path: Path) -> Iterator[SampleEntry]:
    """The samples of a tar of ours as they really lie there, found by reading it from its start."""
    with path.open("rb") as file:
        for group in read_groups(path):
            offset, length = group.members[RECORD_MEMBER]
            file.seek(offset)
            record = json.loads(file.read(length))
            yield SampleEntry(group.key, record["source"], record["scene"], record["split"], group.members)
