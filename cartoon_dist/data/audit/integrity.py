"""Checks the bytes of one sample against its index: complete, decodable, of the right size, with all members."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cartoon_dist.data.format.manifest import SampleEntry
from cartoon_dist.data.format.sample import LABEL_MEMBER, RECORD_MEMBER, Domain, missing_members
from cartoon_dist.errors import PictureError
from cartoon_dist.files.bounded import MAX_SHARD_BYTES, open_regular
from cartoon_dist.files.json_yaml import parse_json
from cartoon_dist.image.decode import decode_file
from cartoon_dist.image.header import read_header


@dataclass(frozen=True, kw_only=True)
class SampleSpec:
    """What each sample of a set must be: its domain, the side of its pictures in pixels, and whether KEY.json must be
    there and agree with the index (in a set built elsewhere it may be missing, or have fewer values)."""

    domain: Domain
    image_size: int
    require_record: bool


def check_sample(path: Path, sample: SampleEntry, spec: SampleSpec) -> str | None:
    """What is wrong with a sample of a tar, worded to follow the sample's name; None when it is sound."""
    missing = missing_members(spec.domain, sample.members)
    if not spec.require_record:
        missing = [name for name in missing if name != RECORD_MEMBER]
    if missing:
        return f"has no {' and no '.join(missing)}"
    num_bytes = path.stat().st_size
    with open_regular(path, max_bytes=MAX_SHARD_BYTES) as file:
        for name, (offset, length) in sample.members.items():
            if offset + length > num_bytes:
                return f"has a damaged {name}: {max(0, num_bytes - offset)} of its {length} bytes are there"
            file.seek(offset)
            problem = _check_member(name, file.read(length), sample, spec)
            if problem:
                return f"has a damaged {name}: {problem}"
    return None


def _check_member(name: str, data: bytes, sample: SampleEntry, spec: SampleSpec) -> str | None:
    if name == RECORD_MEMBER:
        return _check_record(data, sample, spec)
    size = spec.image_size
    try:
        header = read_header(data)
        if (header.width, header.height) != (size, size):
            return f"{header.width} x {header.height} pixels where the set has {size} x {size}"
        colours: Literal["srgb", "ignored"] = "ignored" if name == LABEL_MEMBER["photo"] else "srgb"
        decoded = decode_file(data, max_megapixels=size * size / 1e6, colours=colours)
    except PictureError as error:
        return str(error)
    if name == LABEL_MEMBER["photo"] and header.num_channels != 1:
        return "a label is grey, this is not"
    # Readers of shards look at no profile. Those of our own sets that were built before there was a check stay.
    if decoded.converted and not spec.require_record:
        return "its colours are not sRGB, which all pictures of a set are taken for; convert it"
    return None


def _check_record(data: bytes, sample: SampleEntry, spec: SampleSpec) -> str | None:
    try:
        record = read_json_object(data)
    except ValueError as error:
        return str(error)
    expected = {"source": sample.source, "scene": sample.scene, "split": sample.split}
    # Without require_record a missing value is no contradiction.
    wrong = [key for key, value in expected.items() if record.get(key, None if spec.require_record else value) != value]
    return f"its {' and '.join(wrong)} are not the index's" if wrong else None


def read_json_object(data: bytes) -> dict[str, Any]:
    """The content of a KEY.json; ValueError, worded for a user, when it is no JSON object."""
    try:
        record = parse_json(data)
    except ValueError:
        raise ValueError("not JSON") from None
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record
