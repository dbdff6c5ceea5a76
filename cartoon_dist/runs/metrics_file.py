"""Parses metrics.jsonl line by line, and separates records from damaged lines."""

from typing import Any

from cartoon_dist.files.json_yaml import parse_json

_MAX_STEP = 10**15


def parse_line(line: bytes) -> dict[str, Any]:
    """The record in a line; ValueError where it is no UTF-8, no JSON object, or has no valid step."""
    record = parse_json(line.decode("utf-8"))
    step = record.get("step") if isinstance(record, dict) else None
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < _MAX_STEP:
        raise ValueError(line)
    return record


def records_up_to(content: bytes, step: int) -> tuple[bytes, int]:
    """The lines of metrics.jsonl up to a step, unchanged, and how many damaged lines were dropped."""
    kept, num_damaged = [], 0
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        try:
            if parse_line(line)["step"] <= step:
                kept.append(line + b"\n")
        except ValueError:
            num_damaged += 1
    return b"".join(kept), num_damaged
