"""The last measured speed of a run."""

from pathlib import Path

import pytest

from cartoon_dist.runs.measured_speed import MeasuredSpeed, last_measured_speed

GOOD = '{"step": 10, "phase": "gan", "images_per_second": 2.5}\n'


@pytest.mark.parametrize(
    "after",
    [
        "",
        '{"step": 20, "images_per_se',
        "not json\n\n",
        '{"step": 20}\n',
        '{"step": 20, "images_per_second": 0}\n',
        '{"step": 20, "images_per_second": "fast"}\n',
        '{"step": 20, "images_per_second": true}\n',
    ],
)
def test_the_newest_whole_record_counts(tmp_path: Path, after: str) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 5, "phase": "warmup", "images_per_second": 9.0}\n' + GOOD + after)
    assert last_measured_speed(file) == MeasuredSpeed(2.5, 10, "gan")


def test_a_long_file_is_read_from_its_end(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1, "phase": "warmup", "images_per_second": 9.0}\n' * 5000 + GOOD)
    assert last_measured_speed(file) == MeasuredSpeed(2.5, 10, "gan")


def test_without_a_record_there_is_none(tmp_path: Path) -> None:
    assert last_measured_speed(tmp_path / "metrics.jsonl") is None
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\n{}\n")
    assert last_measured_speed(tmp_path / "metrics.jsonl") is None
    assert last_measured_speed(tmp_path) is None
