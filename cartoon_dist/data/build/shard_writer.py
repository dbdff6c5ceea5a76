"""Writes one shard: a tar under a temporary name, which is then renamed, and the index that marks it complete."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cartoon_dist.data.build.prepare import PreparedPicture
from cartoon_dist.data.format.manifest import SampleEntry, ShardIndex, Skipped, index_path, write_record
from cartoon_dist.data.format.sample import RECORD_MEMBER
from cartoon_dist.data.format.tar_index import read_tar_samples
from cartoon_dist.files.atomic import replace_file, sync_folder
from cartoon_dist.files.bounded import MAX_SHARD_BYTES, open_regular, sha256_of

PART_SUFFIX = ".part"
"""The ending of a tar that is being written. A killed job leaves one behind; the next one overwrites it."""


def write_shard(folder: Path, name: str, settings_sha256: str, prepared: Iterable[PreparedPicture]) -> ShardIndex:
    """Write a shard's tar and index, both durably; a shard without samples gets an index alone.

    The same samples give the same bytes: members carry no time, owner or machine.
    """
    path = folder / name
    part = path.with_name(name + PART_SUFFIX)
    try:
        contents = _write_tar(part, prepared)
        if contents.num_samples:
            replace_file(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(folder)
    skipped = tuple(contents.skipped)
    if contents.num_samples:
        samples, num_bytes = tuple(_list_samples(path)), path.stat().st_size
        index = ShardIndex(
            name,
            sha256_of(path),
            num_bytes,
            settings_sha256,
            samples,
            skipped,
            num_flat_labels=contents.num_flat_labels,
            looks=contents.picture_hashes,
        )
    else:
        path.unlink(missing_ok=True)  # an empty tar stops some readers
        index = ShardIndex(name, "", 0, settings_sha256, (), skipped)
    write_record(index_path(folder, name), index)
    return index


@dataclass
class _TarContents:
    """What was written to a tar, and which pictures gave no sample."""

    num_samples: int = 0
    num_flat_labels: int = 0
    picture_hashes: dict[str, str] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)


def _write_tar(part: Path, prepared: Iterable[PreparedPicture]) -> _TarContents:
    """Write a tar, synced to the disk, and return what was written."""
    from webdataset import TarWriter  # imports torch: which takes seconds that a run with nothing to do does not need

    contents = _TarContents()
    with part.open("wb") as file:
        with TarWriter(file, encoder=False, mtime=0) as tar:
            for picture in prepared:
                if picture.reason is not None:
                    contents.skipped.append(Skipped(picture.task.picture.name, picture.reason))
                if picture.samples:
                    contents.picture_hashes[picture.task.picture.name] = f"{picture.picture_hash:032x}"
                for sample in picture.samples:
                    tar.write({"__key__": sample.key, **sample.members})
                    contents.num_samples += 1
                    contents.num_flat_labels += sample.has_flat_label
        file.flush()
        os.fsync(file.fileno())
    return contents


def _list_samples(path: Path) -> Iterator[SampleEntry]:
    """The samples that really are in the tar just written, found by reading it from its start."""
    with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
        for sample in read_tar_samples(path):
            offset, length = sample.members[RECORD_MEMBER]
            file.seek(offset)
            record = json.loads(file.read(length))
            yield SampleEntry(sample.key, record["source"], record["scene"], record["split"], sample.members)
