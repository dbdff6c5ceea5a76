"""Shards that lie elsewhere, behind https:// or any other URL: fetched once into a cache, every byte checked.

    URL/manifest.json -> CACHE/NAME-KEY/{fetched.json, indices and tars, manifest.json}

KEY is a hash of the URL and of the manifest, so neither two domains nor an older state of the set can meet in one
folder. Each file is put in place whole, the manifest last: a fetch that was killed goes on after the files that are
there. http and https are read by the standard library, all else by fsspec.
"""

import hashlib
import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cartoon_dist.data.manifest import (
    FETCHED,
    LOCK,
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    entry_of,
    index_path,
    parse_record,
)
from cartoon_dist.data.storage import PassingError, blocks
from cartoon_dist.errors import ShardError
from cartoon_dist.files import alone_in, sync_folder, write_json, write_whole

FILES_AT_ONCE = 4
"""Enough that one slow answer does not hold up the others."""
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
    copies = _copies(place.rstrip("/"), Path(cache))
    if not copies:
        raise ShardError(f"{place}: no copy of it lies in data.cache={cache}; training with this data fetches one")
    return copies[-1]


def look_up(url: str, patience: Patience = PATIENT) -> Source:
    """Read a set's manifest; ShardError when it cannot be had or is damaged."""
    url = url.rstrip("/")
    return _source(url, _tried(partial(_content, f"{url}/{MANIFEST}"), patience))


def look_up_or_recall(url: str, cache: Path, patience: Patience = PATIENT) -> tuple[Source, str]:
    """Read a set's manifest as `look_up` does; where it cannot be reached, that of the newest whole copy in the cache
    and why."""
    try:
        return look_up(url, patience), ""
    except PassingError as error:
        copies = _copies(url.rstrip("/"), cache)
        if not copies:
            raise
        return _source(url.rstrip("/"), (copies[-1] / MANIFEST).read_bytes()), f"{error}; goes on with {copies[-1]}"


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
                held = _held_bytes(folder)
                if held != seen:
                    seen, since = held, time.monotonic()
                    report(min(held, total), total)
                if time.monotonic() - since > patience.stall:
                    raise ShardError(
                        f"{folder}: {_holder(folder)} is fetching {source.url} and has had no byte for "
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
    write_json(folder / FETCHED, {"url": source.url, "host": socket.gethostname(), "pid": os.getpid()})
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
            _tried(partial(_fetch_index, source.url, folder, shard), patience)
        if not _has_tar(folder, shard):
            _tried(partial(_fetch_tar, source.url, folder, shard, note), patience)

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
    data = _content(address)
    if entry_of(parse_record(data, address, ShardIndex, _WHOLE)) != shard:
        raise ShardError(f"{address}: tells of another shard than the manifest; {_WHOLE}")
    write_whole(path, data)


def _fetch_tar(url: str, folder: Path, shard: ShardEntry, note: Callable[[int], None]) -> None:
    path, address = folder / shard.name, f"{url}/{shard.name}"
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    digest, done = hashlib.sha256(), 0
    try:
        with temporary.open("wb") as file:
            for block in blocks(address):
                digest.update(block)
                file.write(block)
                done += len(block)
                note(min(done, shard.bytes))
                if done > shard.bytes:
                    break
            file.flush()
            os.fsync(file.fileno())
        if done < shard.bytes:
            raise PassingError(f"{address}: ended after {done} of {shard.bytes} bytes; {_WHOLE}")
        if digest.hexdigest() != shard.sha256:
            raise ShardError(f"{address}: not the bytes its manifest speaks of, nothing of it was kept; {_WHOLE}")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(folder)


def _content(address: str) -> bytes:
    return b"".join(blocks(address))


def _tried(take: Callable[[], Taken], patience: Patience) -> Taken:
    """What `take` brings, with a pause and another try after an error that may pass."""
    for number in range(patience.tries - 1):
        try:
            return take()
        except PassingError:
            time.sleep(patience.pause * 2**number)
    try:
        return take()
    except PassingError as error:
        raise PassingError(f"{error} (tried {patience.tries} times)") from None


def _source(url: str, data: bytes) -> Source:
    manifest = parse_record(data, f"{url}/{MANIFEST}", Manifest, _WHOLE)
    names = [shard.name for shard in manifest.shards]
    # The names become files here: one such as ../x.tar would lie outside the cache.
    strange = [name for name in names if not re.fullmatch(r"[^/\\.][^/\\]*\.tar", name)]
    if strange or len(set(names)) < len(names):
        raise ShardError(f"{url}/{MANIFEST}: damaged, it names shards {strange or 'twice'}; {_WHOLE}")
    return Source(url, data, manifest)


def _copies(url: str, cache: Path) -> list[Path]:
    """The whole copies of a URL's set in a cache, the newest last."""
    found = []
    for file in cache.glob(f"*/{FETCHED}"):
        sealed = file.with_name(MANIFEST)
        if sealed.is_file() and _told(file.parent).get("url") == url:
            found.append((sealed.stat().st_mtime_ns, file.parent))
    return [folder for _, folder in sorted(found)]


def _told(folder: Path) -> dict[str, object]:
    try:
        held = json.loads((folder / FETCHED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _holder(folder: Path) -> str:
    held = _told(folder)
    return f"process {held['pid']} on {held['host']}" if {"pid", "host"} <= held.keys() else "another process"


def _held_bytes(folder: Path) -> int:
    """The bytes in a folder in which another process works: a file may go while it is looked at."""
    sizes = [0]
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sum(sizes)
