"""How fast a run was when it was last measured, from its metrics.jsonl."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from cartoon_dist.files.bounded import MAX_RECORD_BYTES, open_regular
from cartoon_dist.runs.metrics_file import parse_line

_TAIL_BYTES = 64 * 1024
"""What is read of the file's end: many records."""


@dataclass(frozen=True)
class MeasuredSpeed:
    """The photos a second of all processes together, and the step and the phase of the record."""

    images_per_second: float
    step: int
    phase: str


def last_measured_speed(metrics: Path) -> MeasuredSpeed | None:
    """The newest whole record's speed; None where the file is missing, cannot be read, or holds none."""
    try:
        with open_regular(metrics, max_bytes=MAX_RECORD_BYTES) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read(_TAIL_BYTES).split(b"\n")
    except OSError:
        return None
    for line in reversed(lines):
        try:
            record = parse_line(line)
        except ValueError:  # the end of a record that a killed process left, or the cut beginning of the tail
            continue
        speed = record.get("images_per_second")
        if isinstance(speed, (int, float)) and not isinstance(speed, bool) and math.isfinite(speed) and speed > 0:
            return MeasuredSpeed(float(speed), record["step"], str(record.get("phase", "")))
    return None
