"""Collectives of one process alone, and of two over gloo."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cartoon_dist.distributed import collectives
from cartoon_dist.errors import LostProcessError
from tests.running import LIMIT_SECONDS, environment, helper, own_words

TWO = """
import json, sys
import torch
import torch.distributed as dist
from cartoon_dist.distributed import collectives
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
results = [
    collectives.rank(), collectives.world_size(), collectives.is_main_process(), collectives.all_gather({"from": rank}),
    collectives.all_reduce_max(3 if rank else 1), collectives.all_reduce_mean(torch.tensor([1.0, 4.0 * rank])).tolist(),
]
collectives.destroy_process_group()
print(json.dumps([*results, dist.is_initialized()]))
"""

RENDEZVOUS = """
import os
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import LostProcessError
from cartoon_dist.distributed.rendezvous import connect
collectives.init_process_group()
collectives.all_gather("here")
if collectives.rank():
    os._exit(0)
try:
    connect()
except LostProcessError as error:
    print("lost", error, flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, str(rank), str(tmp_path / "meet")],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    results = [own_words(process.communicate(timeout=LIMIT_SECONDS)[0]).strip() for process in processes]
    both = '[{"from": 0}, {"from": 1}], 3, [1.0, 2.0], false]'
    assert results == [f"[0, 2, true, {both}", f"[1, 2, false, {both}"]


def test_a_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert (collectives.rank(), collectives.world_size(), collectives.is_main_process()) == (0, 1, True)
    assert collectives.all_gather("x") == ["x"]
    assert collectives.all_reduce_max(7) == 7
    assert collectives.all_reduce_mean(torch.tensor([2.0])).tolist() == [2.0]


def test_before_the_group_exists_the_launcher_variables_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert collectives.rank() == 3
    assert not collectives.is_main_process()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_processes_that_do_not_come_are_one_line(rank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    for name, value in {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(collectives, "TIMEOUT_SECONDS", 1)
    message = rf"^process {rank} of 2 did not meet the others at 127\.0\.0\.1:{port} \(.*\); see their own last lines"
    with pytest.raises(LostProcessError, match=message):
        collectives.init_process_group()


@pytest.mark.slow
def test_one_that_ends_while_they_meet_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "meets.py"
    path.write_text(RENDEZVOUS)
    done = helper(path, num_processes=2)
    assert "lost process 0 of 2 did not meet the others at 127.0.0.1:" in own_words(done.stdout), done.stderr
