"""Writes one shard: samples into a tar under another name, the tar into its place, then its mark, the index."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cartoon_dist.data.build.prepare import Prepared
from cartoon_dist.data.format.manifest import SampleEntry, ShardIndex, Skipped, index_path, write_record
from cartoon_dist.data.format.sample import RECORD_MEMBER
from cartoon_dist.data.format.tar_index import read_groups
from cartoon_dist.files.atomic import MAX_SHARD_BYTES, open_regular, sha256_of, sync_folder

PART = ".part"
"""The ending of a tar that is being written; one that is left over belongs to a killed job and is overwritten."""


def write_shard(folder: Path, name: str, settings_sha256: str, prepared: Iterable[Prepared]) -> ShardIndex:
    """Write a shard's tar and index, both durably; a shard without samples gets an index alone.

    The same samples give the same bytes: members carry no time, owner or machine.
    """
    path = folder / name
    part = path.with_name(name + PART)
    try:
        filled = _fill(part, prepared)
        if filled.num_samples:
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)
    skipped = tuple(filled.skipped)
    if filled.num_samples:
        samples, num_bytes = tuple(_list_samples(path)), path.stat().st_size
        index = ShardIndex(
            name,
            sha256_of(path),
            num_bytes,
            settings_sha256,
            samples,
            skipped,
            num_flat_labels=filled.num_flat_labels,
            looks=filled.looks,
        )
    else:
        path.unlink(missing_ok=True)  # an empty tar stops some readers
        index = ShardIndex(name, "", 0, settings_sha256, (), skipped)
    write_record(index_path(folder, name), index)
    return index


@dataclass
class _Filled:
    """What went into a tar, and which pictures gave nothing."""

    num_samples: int = 0
    num_flat_labels: int = 0
    looks: dict[str, str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


def _fill(part: Path, prepared: Iterable[Prepared]) -> _Filled:
    """Write a tar, down to the disk, and tell what went into it."""
    from webdataset import TarWriter  # imports torch: seconds that a run with nothing left to do need not wait

    filled = _Filled()
    with part.open("wb") as file:
        with TarWriter(file, encoder=False, mtime=0) as tar:
            for picture in prepared:
                if picture.reason is not None:
                    filled.skipped.append(Skipped(picture.task.picture.name, picture.reason))
                if picture.samples:
                    filled.looks[picture.task.picture.name] = f"{picture.looks:032x}"
                for sample in picture.samples:
                    tar.write({"__key__": sample.key, **sample.members})
                    filled.num_samples += 1
                    filled.num_flat_labels += sample.has_flat_label
        file.flush()
        os.fsync(file.fileno())
    return filled


def _list_samples(path: Path) -> Iterator[SampleEntry]:
    """The samples of a tar of ours as they really lie there, found by reading it from its start."""
    with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
        for group in read_groups(path):
            offset, length = group.members[RECORD_MEMBER]
            file.seek(offset)
            record = json.loads(file.read(length))
            yield SampleEntry(group.key, record["source"], record["scene"], record["split"], group.members)
