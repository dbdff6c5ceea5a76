"""What the tests on a GPU run under: `pytest -m gpu`, or `pytest -m gpu --rehearse-gpu`, which runs their code on the
CPU with everything that only a GPU can show left out."""

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
import torch

from tests.capture.capturing import recorded_faster

# cuBLAS adds in one order only with a workspace of this kind; read when CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture
def rehearsal(request: pytest.FixtureRequest) -> bool:
    """Whether this is one."""
    return bool(request.config.getoption("--rehearse-gpu"))


@pytest.fixture
def device(rehearsal: bool) -> torch.device:  # noqa: FBT001
    """The GPU; in a rehearsal the CPU in its place."""
    return torch.device("cpu" if rehearsal else "cuda")


@pytest.fixture(autouse=True)
def _recorded_faster(rehearsal: bool) -> Iterator[None]:  # noqa: FBT001
    """On a CPU."""
    with recorded_faster() if rehearsal else nullcontext():
        yield


@pytest.fixture(autouse=True)
def _to_the_bit() -> Iterator[None]:
    """Every sum in one order and in full precision, so that bits can be compared."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark
    torch.use_deterministic_algorithms(mode=True)
    cudnn.allow_tf32 = matmul.allow_tf32 = cudnn.benchmark = False
    yield
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark = before
    torch.use_deterministic_algorithms(mode=False)


@pytest.fixture(autouse=True)
def _leaves_no_memory(rehearsal: bool) -> Iterator[None]:  # noqa: FBT001
    """Graphs of one test are not to be there in the next."""
    yield
    if not rehearsal:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
