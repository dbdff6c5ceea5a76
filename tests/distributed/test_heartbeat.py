"""Processes that are lost: killed or stopped, the first or another; the others end and say which."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.forked import Running
from tests.running import LIMIT_SECONDS, own_words, started

pytestmark = pytest.mark.slow

WORK = """
import os, sys
import torch.distributed as dist
from cartoon_dist.distributed import collectives, heartbeat
from cartoon_dist.errors import LostProcessError
from cartoon_dist.distributed.heartbeat import monitor

rank, folder, num_rounds, faulty = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if rank == faulty:
    heartbeat._DIAGNOSIS_SECONDS = 3.0  # nobody is lost, however long one looks
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=3)

def give_up(error):
    print("waiting:", error, flush=True)
    os._exit(3)

try:
    with monitor(20.0, give_up):
        print("there", flush=True)
        for _ in range(num_rounds):
            collectives.all_gather(rank)
        if rank == faulty:
            raise RuntimeError("a bug of our own")
        if rank == 2:
            open(f"{folder}/leave").read()  # the last to leave: when the test has opened it, too
except LostProcessError as error:
    print("lost:", error, flush=True)
    sys.exit(2)
collectives.destroy_process_group()
"""
FOR_EVER = 10**9


@contextmanager
def three(folder: Path, num_rounds: int, faulty: int = -1) -> Iterator[list[Running]]:
    (folder / "work.py").write_text(WORK)
    os.mkfifo(folder / "leave")
    with ExitStack() as running:
        processes = [
            running.enter_context(started(folder / "work.py", f"{rank}", folder, f"{num_rounds}", f"{faulty}"))
            for rank in range(3)
        ]
        for process in processes:
            assert next(filter(own_words, process.stdout), "") == "there\n"
        yield processes


@pytest.mark.parametrize("lost", [0, 1])
def test_one_that_is_killed_ends_the_others_with_its_name(tmp_path: Path, lost: int) -> None:
    with three(tmp_path, FOR_EVER) as processes:
        processes[lost].kill()
        for rank in {0, 1, 2} - {lost}:
            output, _ = processes[rank].communicate(timeout=LIMIT_SECONDS)
            assert processes[rank].returncode == 2, output
            assert re.match(rf"lost: process {lost} on \S+ has gone or does not answer, last heard \d+ s ago; ", output)


@pytest.mark.parametrize("lost", [0, 1])
def test_one_that_stops_answering_does_not_keep_the_others_waiting(tmp_path: Path, lost: int) -> None:
    with three(tmp_path, FOR_EVER) as processes:
        os.kill(processes[lost].pid, signal.SIGSTOP)  # its connections stay whole: no collective fails
        for rank in {0, 1, 2} - {lost}:
            output, _ = processes[rank].communicate(timeout=LIMIT_SECONDS)
            assert processes[rank].returncode in (2, 3), output
            assert f"process {lost} on " in output


def test_processes_that_end_normally_report_nobody(tmp_path: Path) -> None:
    with three(tmp_path, 3) as processes:
        (tmp_path / "leave").write_bytes(b"")
        for process in reversed(processes):
            output, errors = process.communicate(timeout=LIMIT_SECONDS)
            assert (process.returncode, output, errors) == (0, "", "")


def test_another_error_is_not_replaced(tmp_path: Path) -> None:
    with three(tmp_path, 3, faulty=1) as processes:
        output, errors = processes[1].communicate(timeout=LIMIT_SECONDS)
        assert errors.endswith("RuntimeError: a bug of our own\n"), output
