"""Copies of sets that lie elsewhere, in a cache: which are whole, who is fetching one, how much of it is there."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from cartoon_dist.data.format.manifest import FETCHED, MANIFEST
from cartoon_dist.files.atomic import MAX_TEXT_BYTES, read_regular_text, write_json
from cartoon_dist.files.json_yaml import json_text


def whole_copies(url: str, cache: Path) -> list[Path]:
    """The whole copies of a URL's set in a cache, the newest last."""
    found = []
    for file in cache.glob(f"*/{FETCHED}"):
        sealed = file.with_name(MANIFEST)
        if sealed.is_file() and _told(file.parent).get("url") == url:
            found.append((sealed.stat().st_mtime_ns, file.parent))
    return [folder for _, folder in sorted(found)]


def note_origin(folder: Path, url: str) -> None:
    """Write down where a folder's set comes from, and that this process fetches it."""
    write_json(folder / FETCHED, {"url": url, "host": socket.gethostname(), "pid": os.getpid()})


def holder(folder: Path) -> str:
    """Which process fetches into a folder."""
    held = _told(folder)
    return f"process {held['pid']} on {held['host']}" if {"pid", "host"} <= held.keys() else "another process"


def held_bytes(folder: Path) -> int:
    """The bytes in a folder in which another process works: a file may go while it is looked at."""
    sizes = [0]
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sum(sizes)


def _told(folder: Path) -> dict[str, object]:
    try:
        held = json_text(read_regular_text(folder / FETCHED, max_bytes=MAX_TEXT_BYTES))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
