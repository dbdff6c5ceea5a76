"""The on-disk format of one sample: what its files in a shard are called and what they hold.

A photo sample is KEY.photo.png|jpg + KEY.saliency.png (8-bit grey) + KEY.json; a cartoon sample is
KEY.cartoon.png|jpg + KEY.smoothed.png + KEY.json. Any WebDataset reader groups them by KEY. The JSON member says where
the picture comes from: source, scene, split, and the square that was cut.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Literal

FORMAT = 1
"""Raised when a reader of the old format could not read the new one."""

Domain = Literal["photo", "cartoon"]
Split = Literal["train", "test"]

LABEL_MEMBER: dict[Domain, str] = {"photo": "saliency.png", "cartoon": "smoothed.png"}
RECORD_MEMBER = "json"
_MAX_SLUG = 40


def missing_members(domain: Domain, members: Iterable[str]) -> list[str]:
    """Which members a sample of this domain lacks, as a user would look for them."""
    present = set(members)
    pictures = {f"{domain}.png", f"{domain}.jpg"}
    missing = [] if present & pictures else [f"{domain}.png"]
    return missing + [name for name in (LABEL_MEMBER[domain], RECORD_MEMBER) if name not in present]


def sample_key(position: int, source: str, tile: int | None) -> str:
    """A key such as `000012-beach`, or `000012-beach-03` for a tile: unique by position, readable, ASCII, without dots.

    WebDataset takes all that follows the first dot for the member's name.
    """
    ascii_name = unicodedata.normalize("NFKD", PurePosixPath(source).stem).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")[:_MAX_SLUG].rstrip("-")
    parts = [f"{position:06d}", slug, "" if tile is None else f"{tile:02d}"]
    return "-".join(part for part in parts if part)
