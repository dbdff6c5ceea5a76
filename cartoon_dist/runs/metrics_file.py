"""metrics.jsonl line by line: what is a record of a run, and what is damage."""

from typing import Any

from cartoon_dist.files.json_yaml import json_text

_MAX_STEP = 10**15


def record_of(line: bytes) -> dict[str, Any]:
    """The record in a line; ValueError where there is none: no UTF-8, no JSON object, or no step that counts from 0."""
    row = json_text(line.decode("utf-8"))
    step = row.get("step") if isinstance(row, dict) else None
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < _MAX_STEP:
        raise ValueError(line)
    return row


def up_to(content: bytes, step: int) -> tuple[bytes, int]:
    """The lines of metrics.jsonl whose records are of no later step, as they are; and how many lines are damaged and
    left out."""
    kept, num_damaged = [], 0
    for line in content.split(b"\n"):
        if not line.strip():
            continue
        try:
            if record_of(line)["step"] <= step:
                kept.append(line + b"\n")
        except ValueError:
            num_damaged += 1
    return b"".join(kept), num_damaged
