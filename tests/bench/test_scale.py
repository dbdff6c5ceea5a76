"""The records of a large set, here of a small one: what the measurement reads is what the reader offers."""

import pytest

from bench import scale


def test_a_set_is_written_opened_and_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "NUM_SAMPLES", 2500)
    monkeypatch.setattr(scale, "RUNS", 1)
    measured = {one.name: one for one in scale.main()}
    assert measured.keys() == {"index_open_time", "index_memory"}
    assert all(one.ratio >= 0 for one in measured.values())
