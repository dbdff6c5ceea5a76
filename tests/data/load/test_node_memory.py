"""Memory that processes share: opened by its address, gone with its last user, without a name anywhere."""

import gc
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cartoon_dist.data.load import node_memory
from cartoon_dist.data.load.node_memory import NodeMemory, sharing_group, system
from tests.data.load.keeping import mapped_files


def test_what_one_writes_the_other_reads() -> None:
    gc.collect()
    of_others = set(mapped_files())  # a test before may have left some that a cycle still holds
    made = NodeMemory.make(10_000)
    one = made.bytes()
    assert not one.any()
    other = NodeMemory.open(made.address, 10_000).bytes()
    one[9_999] = 7
    assert other[9_999] == 7
    assert len(one) == len(other) == 10_000
    del one, other, made
    assert set(mapped_files()) <= of_others


def test_a_forked_process_opens_it_by_its_address() -> None:
    made = NodeMemory.make(4096)
    process = os.fork()
    if not process:
        os.close(int(made.address.rsplit("/", 1)[1]))  # what it inherited is not what it opens
        NodeMemory.open(made.address, 4096).bytes()[:] = np.arange(4096) % 251
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0
    assert np.array_equal(made.bytes(), np.arange(4096) % 251)


def test_a_closed_address_opens_nothing_more_and_the_memory_stays() -> None:
    made = NodeMemory.make(4096)
    made.bytes()[5] = 1
    made.close_address()
    made.close_address()  # safe to call twice
    with pytest.raises(OSError, match="No such file"):
        NodeMemory.open(made.address, 4096)
    assert made.bytes()[5] == 1


def test_memory_that_the_system_cannot_map_is_an_error_and_holds_nothing() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError):  # in the words of the system
        NodeMemory.make(2**62)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_groups_are_of_one_system() -> None:
    assert sharing_group() == sharing_group()
    assert sharing_group().startswith(system())


def test_elsewhere_a_process_has_memory_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_memory, "sys", SimpleNamespace(platform="darwin"))
    made = NodeMemory.make(100)
    made.bytes()[:] = 3
    made.close_address()
    assert made.address == ""
    assert made.bytes().tolist() == [3] * 100
    assert sharing_group() == f"process {os.getpid()}"
