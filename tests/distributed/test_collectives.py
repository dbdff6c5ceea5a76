"""What processes tell one another: alone, and two of them over gloo."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cartoon_dist.distributed import collectives
from cartoon_dist.errors import LostProcessError
from tests.running import LIMIT_SECONDS, environment, helper, own_words

SPEAK = """
import json, sys
import torch
import torch.distributed as dist
from cartoon_dist.distributed import collectives
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
heard = [
    collectives.rank(), collectives.world_size(), collectives.is_main(), collectives.gather({"from": rank}),
    collectives.largest(3 if rank else 1), collectives.mean(torch.tensor([1.0, 4.0 * rank])).tolist(),
]
collectives.leave()
print(json.dumps([*heard, dist.is_initialized()]))
"""

MEETS = """
import os
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import LostProcessError
from cartoon_dist.distributed.rendezvous import connect
collectives.join()
collectives.gather("here")
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
    speakers = [
        subprocess.Popen(
            [sys.executable, "-c", SPEAK, str(rank), str(tmp_path / "meet")],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    heard = [own_words(speaker.communicate(timeout=LIMIT_SECONDS)[0]).strip() for speaker in speakers]
    both = '[{"from": 0}, {"from": 1}], 3, [1.0, 2.0], false]'
    assert heard == [f"[0, 2, true, {both}", f"[1, 2, false, {both}"]


def test_a_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert (collectives.rank(), collectives.world_size(), collectives.is_main()) == (0, 1, True)
    assert collectives.gather("x") == ["x"]
    assert collectives.largest(7) == 7
    assert collectives.mean(torch.tensor([2.0])).tolist() == [2.0]


def test_before_the_group_exists_the_launcher_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert collectives.rank() == 3
    assert not collectives.is_main()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_processes_that_do_not_come_are_one_line(rank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    for name, value in {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(collectives, "WAIT_SECONDS", 1)
    said = rf"^process {rank} of 2 did not meet the others at 127\.0\.0\.1:{port} \(.*\); see their own last lines"
    with pytest.raises(LostProcessError, match=said):
        collectives.join()


@pytest.mark.slow
def test_one_that_ends_while_they_meet_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "meets.py"
    path.write_text(MEETS)
    done = helper(path, num_processes=2)
    assert "lost process 0 of 2 did not meet the others at 127.0.0.1:" in own_words(done.stdout), done.stderr
