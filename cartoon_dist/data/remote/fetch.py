"""Remote shards, behind https:// or any other URL: fetched once into a cache, every byte checked.

    URL/manifest.json -> CACHE/NAME-KEY/{fetched.json, indices and tars, manifest.json}

KEY is a hash of the URL and of the manifest, so two domains, or two versions of a set, never share a folder. Each file
is written atomically, the manifest last: a fetch that was killed resumes with the files that are missing. http and
https are read by the standard library, all other URLs by fsspec.
"""

import hashlib
import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from cartoon_dist.console.escape import truncated
from cartoon_dist.data.format.manifest import (
    LOCK,
    MANIFEST,
    Manifest,
    ShardEntry,
    ShardIndex,
    index_path,
    parse_record,
    shard_entry,
)
from cartoon_dist.data.remote.cache import complete_copies, fetching_process, folder_bytes, write_origin
from cartoon_dist.data.remote.storage import TransientError, read_blocks
from cartoon_dist.errors import ShardError
from cartoon_dist.files.atomic import receive_file, write_atomically
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, read_regular
from cartoon_dist.files.http import describe_wrong_content
from cartoon_dist.files.locks import lock_range

NUM_PARALLEL_FILES = 4
"""Enough that one slow answer does not delay the others."""
MAX_MANIFEST_BYTES = 64 << 20
"""The manifest of 100 million samples in shards of 500 has 42 MB."""
MAX_INDEX_BYTES = 64 << 20
"""The index of 100,000 samples has 40 MB."""
_MAX_BYTES = 1 << 60
_INDEX_BYTES_PER_SAMPLE = 500
"""About how many bytes of an index a sample takes."""
_COPY_HINT = "see whether the set was copied there whole"
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*://")

ReportProgress = Callable[[int, int], None]
"""Called with the number of bytes that are there and their total. An exception it raises ends the fetch."""
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often a file is tried and how long the first pause is (each is twice the one before); how long another
    process that fetches the same set may go without a byte, and how often it is polled."""

    tries: int = 5
    pause_seconds: float = 1.0
    stall_seconds: float = 600.0
    poll_seconds: float = 1.0


DEFAULT_RETRY = RetryPolicy()


@dataclass(frozen=True)
class RemoteShards:
    """A remote set: its URL, its manifest's bytes, and the manifest parsed."""

    url: str
    data: bytes
    manifest: Manifest

    def folder(self, cache: Path) -> Path:
        """The folder of the set in a cache: a readable name, and a hash of URL and manifest."""
        name = re.sub(r"[^A-Za-z0-9]+", "-", self.url.rpartition("/")[2])[:40].strip("-")
        return cache / f"{name}-{hashlib.sha256(self.url.encode() + bytes(1) + self.data).hexdigest()[:16]}"


class _BusyError(Exception):
    """Another process is fetching the set."""


class _CancelledError(Exception):
    """Another file could not be fetched, so this one is not needed any more."""


def is_remote(path_or_url: str) -> bool:
    """Whether this is a URL and not a folder."""
    return _REMOTE.match(path_or_url) is not None


def local_folder(path_or_url: str, cache: str) -> Path:
    """The folder of a set: the path itself, or the newest complete copy of a URL in the cache. Fetches nothing.

    Raises ShardError when the cache holds no such copy.
    """
    if not is_remote(path_or_url):
        return Path(path_or_url)
    copies = complete_copies(path_or_url.rstrip("/"), Path(cache))
    if not copies:
        raise ShardError(
            f"{path_or_url}: no copy of it lies in data.cache={cache}; training with this data fetches one"
        )
    return copies[-1]


def find_remote(url: str, policy: RetryPolicy = DEFAULT_RETRY) -> RemoteShards:
    """Fetch a set's manifest; ShardError when it cannot be fetched or is damaged."""
    url = url.rstrip("/")
    return _parse_manifest(url, _with_retries(partial(_read_all, f"{url}/{MANIFEST}", MAX_MANIFEST_BYTES), policy))


def find_remote_or_cached(url: str, cache: Path, policy: RetryPolicy = DEFAULT_RETRY) -> tuple[RemoteShards, str]:
    """Fetch a set's manifest as `find_remote` does; where the server cannot be reached, return that of the newest
    complete copy in the cache, and a warning that says why."""
    try:
        return find_remote(url, policy), ""
    except TransientError as error:
        copies = complete_copies(url.rstrip("/"), cache)
        if not copies:
            raise
        manifest = read_regular(copies[-1] / MANIFEST, max_bytes=MAX_RECORD_BYTES)
        return _parse_manifest(url.rstrip("/"), manifest), f"{error}; goes on with {copies[-1]}"


def fetch(source: RemoteShards, cache: Path, report: ReportProgress, policy: RetryPolicy = DEFAULT_RETRY) -> Path:
    """Fetch the missing files of a set into the cache; returns its folder.

    Waits while another process fetches the same set. Raises ShardError when a file cannot be fetched or differs from
    what the manifest says, the disk is full, or the other process has stalled.
    """
    folder, last_bytes, since = source.folder(cache), -1, time.monotonic()
    total = sum(shard.bytes for shard in source.manifest.shards)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                with lock_range(folder / LOCK, None, _BusyError()):
                    _fetch_missing(source, folder, report, policy)
                    return folder
            except _BusyError:
                num_bytes = folder_bytes(folder)
                if num_bytes != last_bytes:
                    last_bytes, since = num_bytes, time.monotonic()
                    report(min(num_bytes, total), total)
                if time.monotonic() - since > policy.stall_seconds:
                    raise ShardError(
                        f"{folder}: {fetching_process(folder)} is fetching {source.url} and has had no byte for "
                        f"{policy.stall_seconds:g} s; end it, then give the same command again"
                    ) from None
                time.sleep(policy.poll_seconds)
    except OSError as error:
        raise ShardError(
            f"{folder}: cannot be written ({error.strerror or error}); make room, or name another disk by data.cache="
        ) from None


def _fetch_missing(source: RemoteShards, folder: Path, report: ReportProgress, policy: RetryPolicy) -> None:
    """Fetch the files that are missing or of another size, the manifest last."""
    for leftover in folder.glob(".*.tmp"):  # of a process that was killed
        leftover.unlink(missing_ok=True)
    shards = source.manifest.shards
    missing = [shard for shard in shards if not (_has_tar(folder, shard) and index_path(folder, shard.name).is_file())]
    if not missing and (folder / MANIFEST).is_file():
        return
    _require_space(source, folder, missing)
    write_origin(folder, source.url)
    total = sum(shard.bytes for shard in shards)
    done = {shard.name: shard.bytes for shard in shards} | {shard.name: 0 for shard in missing}
    cancelled = threading.Event()

    def fetch_shard(shard: ShardEntry) -> None:
        def on_bytes(num_bytes: int) -> None:
            if cancelled.is_set():
                raise _CancelledError
            done[shard.name] = num_bytes
            report(sum(done.values()), total)

        if not index_path(folder, shard.name).is_file():
            _with_retries(partial(_fetch_index, source.url, folder, shard), policy, cancelled)
        if not _has_tar(folder, shard):
            _with_retries(partial(_fetch_tar, source.url, folder, shard, on_bytes), policy, cancelled)

    with ThreadPoolExecutor(NUM_PARALLEL_FILES) as pool:
        try:
            for future in as_completed([pool.submit(fetch_shard, shard) for shard in missing]):
                future.result()
        finally:
            cancelled.set()  # or the other files would be fetched to their ends first
            pool.shutdown(wait=False, cancel_futures=True)
    write_atomically(folder / MANIFEST, source.data)


def _has_tar(folder: Path, shard: ShardEntry) -> bool:
    path = folder / shard.name
    return path.is_file() and path.stat().st_size == shard.bytes


def _require_space(source: RemoteShards, folder: Path, missing: list[ShardEntry]) -> None:
    needed = sum(shard.bytes + shard.num_samples * _INDEX_BYTES_PER_SAMPLE for shard in missing)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ShardError(
            f"{folder}: {free / 1e9:.2f} GB are free and {needed / 1e9:.2f} GB are to be fetched from {source.url}; "
            "make room, or name another disk by data.cache="
        )


def _fetch_index(url: str, folder: Path, shard: ShardEntry) -> None:
    path = index_path(folder, shard.name)
    address = f"{url}/{path.name}"
    data = _read_all(address, MAX_INDEX_BYTES)
    if shard_entry(_parse_record(data, address, ShardIndex)) != shard:
        raise ShardError(f"{address}: describes another shard than the manifest; {_COPY_HINT}")
    write_atomically(path, data)


def _fetch_tar(url: str, folder: Path, shard: ShardEntry, on_bytes: Callable[[int], None]) -> None:
    path, address = folder / shard.name, f"{url}/{shard.name}"
    with (
        closing(read_blocks(address, most_bytes=shard.bytes)) as blocks,
        receive_file(path, blocks, on_bytes) as received,
    ):
        wrong = describe_wrong_content(received.beginning)
        if received.num_bytes < shard.bytes:
            raise TransientError(
                f"{address}: ended after {received.num_bytes} of {shard.bytes} bytes{wrong}; {_COPY_HINT}"
            )
        if received.sha256 != shard.sha256:
            raise ShardError(
                f"{address}: not the bytes that its manifest lists{wrong}, nothing of it was kept; {_COPY_HINT}"
            )


def _read_all(address: str, most_bytes: int) -> bytes:
    with closing(read_blocks(address, most_bytes=most_bytes)) as incoming:
        return b"".join(incoming)


def _parse_record(data: bytes, address: str, kind: type[Result]) -> Result:
    """As `parse_record`; its error says what was received instead, such as HTML."""
    if wrong := describe_wrong_content(data):
        raise ShardError(f"{address}: not the JSON of a shard folder{wrong}; {_COPY_HINT}")
    return parse_record(data, address, kind, _COPY_HINT)


def _with_retries(call: Callable[[], Result], policy: RetryPolicy, cancelled: threading.Event | None = None) -> Result:
    """The result of `call`, tried again after a pause when the error is transient, until cancelled."""
    cancelled = cancelled or threading.Event()
    for attempt in range(policy.tries - 1):
        try:
            return call()
        except TransientError:
            if cancelled.wait(policy.pause_seconds * 2**attempt):
                raise _CancelledError from None
    try:
        return call()
    except TransientError as error:
        raise TransientError(f"{error} (tried {policy.tries} times)") from None


def _parse_manifest(url: str, data: bytes) -> RemoteShards:
    manifest = _parse_record(data, f"{url}/{MANIFEST}", Manifest)
    names = [shard.name for shard in manifest.shards]
    # The names become files here: one such as ../x.tar would lie outside the cache.
    invalid = [name for name in names if not re.fullmatch(r"[^/\\.][^/\\]*\.tar", name)]
    if invalid or len(set(names)) < len(names):
        raise ShardError(
            f"{url}/{MANIFEST}: damaged, it names shards {truncated(str(invalid)) if invalid else 'twice'}; "
            f"{_COPY_HINT}"
        )
    counts = [(shard.bytes, shard.num_samples, shard.num_train, shard.num_test) for shard in manifest.shards]
    if not all(0 <= count < _MAX_BYTES for shard in counts for count in shard):
        raise ShardError(f"{url}/{MANIFEST}: damaged, it names a size or a count that no shard has; {_COPY_HINT}")
    return RemoteShards(url, data, manifest)
