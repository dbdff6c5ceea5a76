"""Shards that lie elsewhere, behind https:// or any other URL: fetched once into a cache, every byte checked.

    URL/manifest.json -> CACHE/NAME-KEY/{fetched.json, indices and tars, manifest.json}

KEY is a hash of the URL and of the manifest, so neither two domains nor an older state of the set can meet in one
folder. Each file is put in place whole, the manifest last: a fetch that was killed goes on after the files that are
there. http and https are read by the standard library, all else by fsspec.
"""

import hashlib
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cartoon_dist.console.escape import shortened
from cartoon_dist.data.format.manifest import (
    LOCK,
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    entry_of,
    index_path,
    parse_record,
)
from cartoon_dist.data.remote.cache import held_bytes, holder, note_origin, whole_copies
from cartoon_dist.data.remote.storage import PassingError, blocks
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import MAX_RECORD_BYTES, alone_in, read_regular, sync_folder, write_whole
from cartoon_dist.files.http import kind_of_wrong

FILES_AT_ONCE = 4
"""Enough that one slow answer does not hold up the others."""
MANIFEST_BYTES = 64 << 20
"""The most that a manifest may have: that of 100 million samples in shards of 500 has 42 MB."""
INDEX_BYTES = 64 << 20
"""The most that an index may have: that of 100,000 samples has 40 MB."""
_MOST_BYTES = 1 << 60
_INDEX_BYTES = 500
"""What an index takes a sample, about."""
_WHOLE = "see whether the set was copied there whole"
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*://")

Report = Callable[[int, int], None]
"""Told how many bytes are there, of how many. What it raises ends the fetch."""
Taken = TypeVar("Taken")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often a file is tried and how long the first pause is (each is twice the one before); how long another
    process that fetches the same set may go without a byte, and how often it is looked at. Seconds."""

    tries: int = 5
    pause: float = 1.0
    stall: float = 600.0
    look: float = 1.0


PATIENT = Patience()


@dataclass(frozen=True)
class Source:
    """A set that lies elsewhere: its URL, its manifest's bytes, and what they say."""

    url: str
    data: bytes
    manifest: Manifest

    def folder(self, cache: Path) -> Path:
        """Where the set lies in a cache: a name to know it by, and a hash of URL and manifest."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.url.rpartition("/")[2])[:40].strip("-")
        return cache / f"{name}-{hashlib.sha256(self.url.encode() + bytes(1) + self.data).hexdigest()[:16]}"


class _BusyError(Exception):
    """Another process is fetching the set."""


class _OverError(Exception):
    """Another file could not be had: this one is not wanted any more."""


def is_remote(place: str) -> bool:
    """Whether a place is a URL and not a folder."""
    return _REMOTE.match(place) is not None


def at_hand(place: str, cache: str) -> Path:
    """The folder of a set: the place itself, or the newest whole copy of a URL in the cache. Fetches nothing.

    Raises ShardError when the cache holds no such copy.
    """
    if not is_remote(place):
        return Path(place)
    copies = whole_copies(place.rstrip("/"), Path(cache))
    if not copies:
        raise ShardError(f"{place}: no copy of it lies in data.cache={cache}; training with this data fetches one")
    return copies[-1]


def look_up(url: str, patience: Patience = PATIENT) -> Source:
    """Read a set's manifest; ShardError when it cannot be had or is damaged."""
    url = url.rstrip("/")
    return _source(url, _tried(partial(_content, f"{url}/{MANIFEST}", MANIFEST_BYTES), patience))


def look_up_or_recall(url: str, cache: Path, patience: Patience = PATIENT) -> tuple[Source, str]:
    """Read a set's manifest as `look_up` does; where it cannot be reached, that of the newest whole copy in the cache
    and why."""
    try:
        return look_up(url, patience), ""
    except PassingError as error:
        copies = whole_copies(url.rstrip("/"), cache)
        if not copies:
            raise
        manifest = read_regular(copies[-1] / MANIFEST, max_bytes=MAX_RECORD_BYTES)
        return _source(url.rstrip("/"), manifest), f"{error}; goes on with {copies[-1]}"


def fetch(source: Source, cache: Path, report: Report, patience: Patience = PATIENT) -> Path:
    """Fetch what is not there yet of a set; the folder that holds it then.

    While another process fetches the same set it is waited for. Raises ShardError when a file cannot be had or is not
    what the manifest says, the disk is full, or the other process stands still.
    """
    folder, seen, since = source.folder(cache), -1, time.monotonic()
    total = sum(shard.bytes for shard in source.manifest.shards)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                with alone_in(folder / LOCK, None, _BusyError()):
                    _complete(source, folder, report, patience)
                    return folder
            except _BusyError:
                held = held_bytes(folder)
                if held != seen:
                    seen, since = held, time.monotonic()
                    report(min(held, total), total)
                if time.monotonic() - since > patience.stall:
                    raise ShardError(
                        f"{folder}: {holder(folder)} is fetching {source.url} and has had no byte for "
                        f"{patience.stall:g} s; end it, then give the same command again"
                    ) from None
                time.sleep(patience.look)
    except OSError as error:
        raise ShardError(
            f"{folder}: cannot be written ({error.strerror or error}); make room, or name another disk by data.cache="
        ) from None


def _complete(source: Source, folder: Path, report: Report, patience: Patience) -> None:
    """Fetch the files that are missing or of another size, the manifest last."""
    for left in folder.glob(".*.tmp"):  # by a process that was killed
        left.unlink(missing_ok=True)
    shards = source.manifest.shards
    missing = [shard for shard in shards if not (_has_tar(folder, shard) and index_path(folder, shard.name).is_file())]
    if not missing and (folder / MANIFEST).is_file():
        return
    _require_room(source, folder, missing)
    note_origin(folder, source.url)
    total = sum(shard.bytes for shard in shards)
    done = {shard.name: shard.bytes for shard in shards} | {shard.name: 0 for shard in missing}
    over = threading.Event()

    def bring(shard: ShardEntry) -> None:
        def note(num_bytes: int) -> None:
            if over.is_set():
                raise _OverError
            done[shard.name] = num_bytes
            report(sum(done.values()), total)

        if not index_path(folder, shard.name).is_file():
            _tried(partial(_fetch_index, source.url, folder, shard), patience, over)
        if not _has_tar(folder, shard):
            _tried(partial(_fetch_tar, source.url, folder, shard, note), patience, over)

    with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
        try:
            for fetched in as_completed([pool.submit(bring, shard) for shard in missing]):
                fetched.result()
        finally:
            over.set()  # or the other files would be fetched to their ends first
            pool.shutdown(wait=False, cancel_futures=True)
    write_whole(folder / MANIFEST, source.data)


def _has_tar(folder: Path, shard: ShardEntry) -> bool:
    path = folder / shard.name
    return path.is_file() and path.stat().st_size == shard.bytes


def _require_room(source: Source, folder: Path, missing: list[ShardEntry]) -> None:
    needed = sum(shard.bytes + shard.num_samples * _INDEX_BYTES for shard in missing)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ShardError(
            f"{folder}: {free / 1e9:.2f} GB are free and {needed / 1e9:.2f} GB are to be fetched from {source.url}; "
            "make room, or name another disk by data.cache="
        )


def _fetch_index(url: str, folder: Path, shard: ShardEntry) -> None:
    path = index_path(folder, shard.name)
    address = f"{url}/{path.name}"
    data = _content(address, INDEX_BYTES)
    if entry_of(_record(data, address, ShardIndex)) != shard:
        raise ShardError(f"{address}: tells of another shard than the manifest; {_WHOLE}")
    write_whole(path, data)


def _fetch_tar(url: str, folder: Path, shard: ShardEntry, note: Callable[[int], None]) -> None:
    path, address = folder / shard.name, f"{url}/{shard.name}"
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    digest, done, begun = hashlib.sha256(), 0, b""
    try:
        with temporary.open("wb") as file, closing(blocks(address, most_bytes=shard.bytes)) as incoming:
            for block in incoming:
                begun = begun or block[:200]
                digest.update(block)
                file.write(block)
                done += len(block)
                note(done)
            file.flush()
            os.fsync(file.fileno())
        wrong = kind_of_wrong(begun)
        if done < shard.bytes:
            raise PassingError(f"{address}: ended after {done} of {shard.bytes} bytes{wrong}; {_WHOLE}")
        if digest.hexdigest() != shard.sha256:
            raise ShardError(
                f"{address}: not the bytes its manifest speaks of{wrong}, nothing of it was kept; {_WHOLE}"
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(folder)


def _content(address: str, most_bytes: int) -> bytes:
    with closing(blocks(address, most_bytes=most_bytes)) as incoming:
        return b"".join(incoming)


def _record(data: bytes, address: str, kind: type[Taken]) -> Taken:
    """As `parse_record`; where it is no record, what it is."""
    if wrong := kind_of_wrong(data):
        raise ShardError(f"{address}: not the JSON of a shard folder{wrong}; {_WHOLE}")
    return parse_record(data, address, kind, _WHOLE)


def _tried(take: Callable[[], Taken], patience: Patience, over: threading.Event | None = None) -> Taken:
    """What `take` brings, with a pause and another try after an error that may pass, unless all is over."""
    over = over or threading.Event()
    for number in range(patience.tries - 1):
        try:
            return take()
        except PassingError:
            if over.wait(patience.pause * 2**number):
                raise _OverError from None
    try:
        return take()
    except PassingError as error:
        raise PassingError(f"{error} (tried {patience.tries} times)") from None


def _source(url: str, data: bytes) -> Source:
    manifest = _record(data, f"{url}/{MANIFEST}", Manifest)
    names = [shard.name for shard in manifest.shards]
    # The names become files here: one such as ../x.tar would lie outside the cache.
    strange = [name for name in names if not re.fullmatch(r"[^/\\.][^/\\]*\.tar", name)]
    if strange or len(set(names)) < len(names):
        raise ShardError(
            f"{url}/{MANIFEST}: damaged, it names shards {shortened(str(strange)) if strange else 'twice'}; {_WHOLE}"
        )
    counts = [(shard.bytes, shard.num_samples, shard.num_train, shard.num_test) for shard in manifest.shards]
    if not all(0 <= count < _MOST_BYTES for shard in counts for count in shard):
        raise ShardError(f"{url}/{MANIFEST}: damaged, it names a size or a count that no shard has; {_WHOLE}")
    return Source(url, data, manifest)
