"""Two processes on one GPU: over NCCL where it allows that, over gloo otherwise; against one process in float64, and
when one of them is killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cartoon_dist.gpu import switch
from tests.capture.capturing import largest_difference_of
from tests.running import ROOT, environment, metrics, tiny, train, train_command, wait_for

pytestmark = pytest.mark.gpu
MULTI_RANK = "NCCL_MULTI_RANK_GPU_ENABLE"
WITHIN_SECONDS = 60
"""How long the process that is left may take to end by name."""


def nccl_knows_two_ranks_on_one_gpu() -> bool:
    """Whether the variable's name stands in the NCCL that torch has loaded or brings."""
    with Path("/proc/self/maps").open() as maps:
        loaded = {line.split()[-1] for line in maps if "libnccl" in line}
    site = Path(torch.__file__).parents[1]
    libraries = [*map(Path, loaded), *site.glob("nvidia/**/libnccl.so*")]
    return any(MULTI_RANK.encode() in library.read_bytes() for library in libraries)


@pytest.fixture(scope="module")
def backend(request: pytest.FixtureRequest) -> str:
    """nccl or gloo."""
    if request.config.getoption("--rehearse-gpu"):
        return "gloo"
    return "nccl" if torch.cuda.device_count() > 1 or nccl_knows_two_ranks_on_one_gpu() else "gloo"


def variables(rank: int, world_size: int, port: int, backend: str) -> dict[str, str]:
    """What a launcher sets."""
    paths = f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests/train'}:{ROOT / 'tests/gpu'}"
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": paths}
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world_size, "LOCAL_WORLD_SIZE": world_size}
    named = {"CARTOON_TEST_BACKEND": backend, MULTI_RANK: "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    return environment() | where | {name: str(value) for name, value in ranks.items()} | named


@contextmanager
def started(words: Sequence[str], backend: str, *, num: int, **more: str) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes of a command, as a launcher starts them, with `more` in their environment; killed when they are
    left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                subprocess.Popen(
                    words, env=variables(rank, num, port, backend) | more, stderr=subprocess.PIPE, text=True
                )
            )
            for rank in range(num)
        ]
        try:
            yield children
        finally:
            for child in children:
                child.kill()


def trained(mode: str, out: Path, backend: str, *, num: int, **more: str) -> dict[str, torch.Tensor]:
    """The state that so many processes reach."""
    out.mkdir()
    words = [sys.executable, str(ROOT / "tests/gpu/training_together.py"), mode, str(out)]
    with started(words, backend, num=num, **more) as children:
        said = [child.communicate(timeout=300)[1] for child in children]
    assert [child.returncode for child in children] == [0] * num, "\n".join(said)
    return load_file(out / "state.safetensors")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """One process's plain steps."""
    return trained("none", tmp_path_factory.mktemp("alone") / "out", "gloo", num=1)


@pytest.mark.parametrize("mode", ["none", "generator", "iteration"])
def test_two_processes_compute_what_one_does(
    mode: str, backend: str, alone: dict[str, torch.Tensor], tmp_path: Path, *, rehearsal: bool
) -> None:
    found = trained(mode, tmp_path / "out", backend, num=2)
    said = [(tmp_path / f"out/said-{rank}").read_text() for rank in range(2)]
    if mode != "none" and (backend == "nccl" or rehearsal):
        assert [words.strip() for words in said] == ["", ""]  # it was recorded
    difference, worst = largest_difference_of(alone, found)
    assert difference < 1e-9, worst


@pytest.mark.parametrize("mode", ["generator", "iteration"])
def test_averages_that_begin_in_the_backward_are_those_of_its_end_to_the_bit(
    mode: str, backend: str, tmp_path: Path, *, rehearsal: bool
) -> None:
    """On a stream of their own, also within the graph; without the switch they are issued after the backward."""
    within = trained(mode, tmp_path / "within", backend, num=2)
    after = trained(mode, tmp_path / "after", backend, num=2, **{switch.VARIABLE: "averaging_in_backward"})
    if backend == "nccl" or rehearsal:
        assert [(tmp_path / "within" / f"said-{rank}").read_text().strip() for rank in range(2)] == ["", ""]
    assert [name for name, held in after.items() if not torch.equal(held, within[name])] == []


def test_when_one_is_killed_the_other_ends_by_name_and_frees_the_gpu(
    shards: Path, tmp_path: Path, backend: str, *, rehearsal: bool
) -> None:
    """Started without a launcher, which would end the other one itself."""
    if backend == "gloo" and not rehearsal:
        pytest.skip("the command trains over NCCL, and this one wants a GPU for each process")
    run = tmp_path / "run"
    more = ["epochs=100000", "sample_every=1000000", "checkpoint.every=1000000", "silence_seconds=10"]
    words = train_command(tiny(shards, run, *more, *([] if rehearsal else ["capture.mode=iteration"])), num_processes=1)
    with started(words, backend, num=2) as children:
        wait_for(run / "metrics.jsonl", children[0])
        os.kill(children[1].pid, signal.SIGKILL)
        said = children[0].communicate(timeout=WITHIN_SECONDS)[1]
    assert children[0].returncode == 2, said  # and with it has ended what it held of the GPU
    assert "error: process 1 on " in said
    assert "has gone or does not answer" in said


def test_two_gpus_train_captured(shards: Path, tmp_path: Path) -> None:
    """A process a GPU, as a launcher starts them on a node."""
    if torch.cuda.device_count() < 2:
        pytest.skip(f"needs two CUDA devices, and there are {torch.cuda.device_count()}")
    words = ["warmup.steps=5", "epochs=3", "max_steps=16", "capture.mode=generator", "capture.require=true"]
    done = train(tiny(shards, tmp_path / "run", *words), num_processes=2, config="ddp")
    assert done.returncode == 0, done.stderr
    assert metrics(tmp_path / "run")[-1]["step"] == 16
