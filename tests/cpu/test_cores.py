"""How many cores a process may use, on systems that tell it and on others."""

import os

import pytest

from cartoon_dist.cpu.cores import num_usable_cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system knows no part of a machine's cores")
def test_only_the_cores_that_a_process_was_given_count() -> None:
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert num_usable_cores() == 1
    finally:
        os.sched_setaffinity(0, mine)
    assert num_usable_cores() == len(mine)


def test_where_a_system_knows_no_part_all_cores_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert num_usable_cores() == 7
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert num_usable_cores() == 1
