"""Which device a process takes: messages and choice where there are GPUs, with torch's answers planted."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist

from cartoon_dist.distributed import collectives, devices
from cartoon_dist.errors import ConfigError
from cartoon_dist.train.engine import Engine, _check_precision
from tests.running import ROOT, environment


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A node with GPUs as far as torch's answers go; what was made current."""
    seen: dict[str, Any] = {"count": 4}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen["count"])
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: seen.update(current=device))
    return seen


def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused() -> None:
    assert devices.choose_device("auto") == devices.choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="device=cuda: torch finds no CUDA device"):
        devices.choose_device("cuda")


@pytest.mark.parametrize(("count", "local_rank", "index"), [(4, 0, 0), (4, 3, 3), (1, 3, 0)])
def test_each_process_of_a_node_takes_its_own_gpu_also_where_it_sees_one(
    gpus: dict[str, Any], monkeypatch: pytest.MonkeyPatch, count: int, local_rank: int, index: int
) -> None:
    gpus["count"] = count
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))
    assert devices.choose_device("auto") == devices.choose_device("cuda") == torch.device("cuda", index)
    assert gpus["current"] == torch.device("cuda", index)


def test_cpu_is_the_cpu_beside_a_gpu(gpus: dict[str, Any]) -> None:
    assert devices.choose_device("cpu") == torch.device("cpu")
    assert "current" not in gpus
    assert Engine(precision="fp32", device="cpu").device.type == "cpu"


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Processes over NCCL, each on a GPU of a host; this process is the first of them."""
    places: list[tuple[str, str]] = []
    monkeypatch.setattr(collectives, "world_size", lambda: len(places))
    monkeypatch.setattr(collectives, "all_gather", lambda _: places)
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="GPU-1"))
    monkeypatch.delenv("NCCL_MULTI_RANK_GPU_ENABLE", raising=False)
    return places


def test_processes_that_share_a_gpu_are_named(two: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    two += [("n1", "GPU-1"), ("n1", "GPU-2"), ("n2", "GPU-1"), ("n1", "GPU-1")]
    with pytest.raises(ConfigError, match=r"processes 0, 3 share GPU GPU-1 of n1: .*--num_processes"):
        devices.check_one_process_per_gpu(torch.device("cuda", 0))
    monkeypatch.setenv("NCCL_MULTI_RANK_GPU_ENABLE", "1")
    devices.check_one_process_per_gpu(torch.device("cuda", 0))


def test_processes_with_gpus_of_their_own_pass(two: list[tuple[str, str]]) -> None:
    two += [("n1", "GPU-1"), ("n1", "GPU-2"), ("n2", "GPU-1")]
    devices.check_one_process_per_gpu(torch.device("cuda", 0))
    two += [("n1", "GPU-1")]
    devices.check_one_process_per_gpu(torch.device("cpu"))


def test_bf16_is_refused_where_it_would_be_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A V100's answers: torch emulates bf16 there."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    with pytest.raises(ConfigError, match="this GPU has no bf16"):
        _check_precision("bf16", on_cpu=False)
    _check_precision("bf16", on_cpu=True)


LAUNCHED = """
import os, sys
import torch
torch.cuda.is_available = lambda: True
torch.cuda.device_count = lambda: int(os.environ["GPUS_SEEN"])
made = []
torch.cuda.set_device = made.append
from cartoon_dist.distributed import devices
with open(f"{sys.argv[1]}/{os.environ['RANK']}", "w") as file:
    print(devices.choose_device("auto"), "current:", *made, file=file)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("seen", "expected"), [(2, [0, 1]), (1, [0, 0])])
def test_the_launchers_processes_take_a_gpu_each(tmp_path: Path, seen: int, expected: list[int]) -> None:
    """configs/accelerate/ddp.yaml, as train_hayao.sh starts it: what the launcher sets is what the device follows."""
    script = tmp_path / "which.py"
    script.write_text(LAUNCHED, encoding="utf-8")
    words = ["--config_file", str(ROOT / "configs/accelerate/ddp.yaml"), "--num_processes", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *words, "--main_process_port", "0", str(script), tmp_path],
        env=environment() | {"PYTHONPATH": str(ROOT), "GPUS_SEEN": str(seen)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for rank, gpu in enumerate(expected):
        assert (tmp_path / str(rank)).read_text().strip() == f"cuda:{gpu} current: cuda:{gpu}"
