"""The cache of remote sets: which copies are complete, which process is fetching one, how many bytes it has."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from cartoon_dist.data.format.manifest import FETCHED, MANIFEST
from cartoon_dist.files.atomic import write_json
from cartoon_dist.files.bounded import MAX_TEXT_BYTES, read_regular_text
from cartoon_dist.files.json_yaml import parse_json


def complete_copies(url: str, cache: Path) -> list[Path]:
    """The folders with complete copies of a URL's set in a cache, the newest last."""
    copies = []
    for file in cache.glob(f"*/{FETCHED}"):
        manifest = file.with_name(MANIFEST)  # written last
        if manifest.is_file() and _read_origin(file.parent).get("url") == url:
            copies.append((manifest.stat().st_mtime_ns, file.parent))
    return [folder for _, folder in sorted(copies)]


def write_origin(folder: Path, url: str) -> None:
    """Record the URL of a folder's set, and that this process fetches it."""
    write_json(folder / FETCHED, {"url": url, "host": socket.gethostname(), "pid": os.getpid()})


def fetching_process(folder: Path) -> str:
    """The process that fetches into a folder, in words."""
    origin = _read_origin(folder)
    return f"process {origin['pid']} on {origin['host']}" if {"pid", "host"} <= origin.keys() else "another process"


def folder_bytes(folder: Path) -> int:
    """The bytes in a folder in which another process works: files may be removed meanwhile."""
    sizes = [0]
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sum(sizes)


def _read_origin(folder: Path) -> dict[str, object]:
    try:
        origin = parse_json(read_regular_text(folder / FETCHED, max_bytes=MAX_TEXT_BYTES))
    except (OSError, ValueError):
        return {}
    return origin if isinstance(origin, dict) else {}
