"""Worker processes that read ahead: in order, in shared memory, ended with their owner, and reported when lost."""

import gc
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

import numpy as np
import pytest

from cartoon_dist.data.load import loader_workers
from cartoon_dist.data.load.loader_workers import STEPS_AHEAD, Buffers, LoaderWorkers, WorkerError
from cartoon_dist.errors import ShardError
from tests.running import LIMIT_SECONDS, ROOT, environment

SHAPES: list[tuple[int, ...]] = [(2, 3), (4,)]


@dataclass
class FakeReader:
    """Fills the buffers with the step and answers with its process id."""

    fault: str = ""

    def read(self, step: int, buffers: Buffers) -> object:
        if step == 3:
            if self.fault == "raises":
                raise ValueError("planted")
            if self.fault == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fault == "hangs":
                threading.Event().wait()
            if self.fault == "shard":
                return ShardError("a shard is gone")
        for side in buffers:
            side.fill(step % 256)
        return os.getpid()


def read(reader: FakeReader, *, num_workers: int = 2, first: int = 0, end: int = 12) -> list[tuple[int, object]]:
    """The value that fills the buffers of each step, and the answer."""
    found = []
    with LoaderWorkers(num_workers, SHAPES) as workers:
        for buffers, answer in workers.read_ahead(reader, first=first, end=end):
            [value] = {int(pixel) for side in buffers for pixel in side.ravel()}
            found.append((value, answer))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["", "raises", "dies"])
def test_workers_that_are_new_interpreters_serve_alike(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows and macOS: nothing is inherited, all is handed over."""
    monkeypatch.setattr(loader_workers, "START_METHOD", "spawn")
    if fault:
        said = {"raises": "planted", "dies": "a loader worker was killed by signal 9"}[fault]
        with pytest.raises((RuntimeError, WorkerError), match=said):
            read(FakeReader(fault))
        return
    found = read(FakeReader(), first=5, end=14)
    assert [value for value, _ in found] == list(range(5, 14))
    assert len({answer for _, answer in found} - {os.getpid()}) == 2


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_batches_come_in_order_from_other_processes(num_workers: int) -> None:
    found = read(FakeReader(), num_workers=num_workers, first=5, end=5 + 3 * num_workers * STEPS_AHEAD + 1)
    assert [value for value, _ in found] == list(range(5, 6 + 3 * num_workers * STEPS_AHEAD))
    processes = [answer for _, answer in found]
    assert len(set(processes)) == num_workers
    assert os.getpid() not in processes
    assert processes[num_workers:] == processes[:-num_workers]  # each takes its turn


def test_fewer_steps_than_buffers_are_enough() -> None:
    assert [value for value, _ in read(FakeReader(), num_workers=3, end=2)] == [0, 1]
    assert read(FakeReader(), end=0) == []


def test_a_shard_error_is_returned_as_an_answer() -> None:
    answer = dict(enumerate(answer for _, answer in _answers("shard")))[3]
    assert isinstance(answer, ShardError)
    assert str(answer) == "a shard is gone"


def _answers(fault: str) -> list[tuple[None, object]]:
    with LoaderWorkers(1, SHAPES) as workers:
        return [(None, answer) for _, answer in workers.read_ahead(FakeReader(fault), first=0, end=5)]


def test_a_bug_in_a_worker_comes_with_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"a loader worker failed:(.|\n)*line \d+, in read(.|\n)*planted"):
        read(FakeReader("raises"))


def test_a_killed_worker_is_noticed_at_once() -> None:
    with pytest.raises(WorkerError, match="a loader worker was killed by signal 9"):
        read(FakeReader("dies"))


def test_a_worker_that_does_not_answer_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_workers, "ANSWER_TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(loader_workers, "_EXIT_TIMEOUT_SECONDS", 0.1)
    workers = LoaderWorkers(1, SHAPES)
    with pytest.raises(WorkerError, match=r"has not answered for 0\.1 s"), workers:
        # Asks for step 3 alone: the others are answered too fast to be waited for.
        next(workers.read_ahead(FakeReader("hangs"), first=3, end=4))
    for process in workers._processes:
        process.join(LIMIT_SECONDS)  # it was told to end, and takes as long as the machine lets it
    assert [process.is_alive() for process in workers._processes] == [False]


class Closing:
    """Left in a cycle; tells which process has collected it."""

    def __init__(self, told: Path) -> None:
        self.told, self.itself = told, self

    def __del__(self) -> None:
        with self.told.open("a") as file:
            file.write(f"{os.getpid()} ")


class Collecting:
    """Collects garbage, also its own; answers how many objects."""

    def read(self, step: int, buffers: Buffers) -> int:  # noqa: ARG002
        own: list[object] = []
        own.append(own)
        del own
        return gc.collect()


@pytest.mark.parametrize("collection", ["on", "off"])
def test_a_worker_closes_nothing_that_it_has_inherited(tmp_path: Path, collection: str) -> None:
    """A film's encoder that was left in a cycle waits for its threads when it is closed; a fork has none of them."""
    gc.collect()
    gc.disable()
    try:
        Closing(tmp_path / "told")  # garbage at once
        if collection == "on":
            gc.enable()
        with LoaderWorkers(1, SHAPES) as workers:
            gc.disable()
            [(_, collected)] = list(workers.read_ahead(Collecting(), first=0, end=1))
        assert isinstance(collected, int)
        assert collected >= 1
        gc.collect()
        assert (tmp_path / "told").read_text().split() == [str(os.getpid())]
    finally:
        gc.enable()


def test_memory_is_shared_and_not_sent() -> None:
    shape = [(64, 1024, 1024)]  # 64 MiB, thousands of times what a pipe holds
    with LoaderWorkers(1, shape) as workers:
        [(filled, _)] = [(np.copy(buffers[0][-1, -1, -1:]), answer) for buffers, answer in workers.read_ahead(FakeReader(), first=7, end=8)]  # fmt: skip  # noqa: E501
    assert filled.tolist() == [7]


KILLED = """
import os, signal, sys
from cartoon_dist.data.load.loader_workers import LoaderWorkers
with LoaderWorkers(2, [(1,)]) as workers:
    print(*[process.pid for process in workers._processes], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_a_training_process_that_is_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,  # its output is closed when the last worker, which has inherited it, has ended
    )
    assert done.returncode == -signal.SIGKILL
    for pid in map(int, done.stdout.split()):
        with suppress(ProcessLookupError):
            assert connection.wait([os.pidfd_open(pid)], timeout=LIMIT_SECONDS)  # readable when the process has ended


BEFORE_CUDA = """
import sys
from unittest import mock
import torch
import torch.distributed as dist
order = []
from cartoon_dist.commands import train
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.distributed import devices
began = LoaderWorkers.__init__
def begin(self, *given):
    order.append(f"workers, group {dist.is_initialized()}, cuda {torch.cuda.is_initialized()}")
    began(self, *given)
chosen = devices.choose_device
def choose(name):
    order.append("device")
    return chosen(name)
with mock.patch.object(LoaderWorkers, "__init__", begin), mock.patch.object(devices, "choose_device", choose):
    assert train.main(sys.argv[1:]) == 0
print(*order, sep="; ")
"""


@pytest.mark.slow
def test_training_starts_them_before_the_device_and_the_process_group(shards: Path, tmp_path: Path) -> None:
    words = [ROOT / "tests/tiny.yaml", f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}"]
    words += [f"run_dir={tmp_path}", "max_steps=2", "loss.content.weight=0", "warmup.loss=pixel", "data.num_workers=2"]
    done = subprocess.run(
        [sys.executable, "-c", BEFORE_CUDA, *map(str, words)],
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "workers, group False, cuda False; device"
