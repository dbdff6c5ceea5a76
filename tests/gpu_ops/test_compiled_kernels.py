"""The kernels compile for GPUs that are not there, without spills, and read 16 bytes at once."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="Triton comes with torch for Linux alone")

from tests.gpu_ops.compiled import KERNELS, compiled


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("capability", "dtype", "channels"),
    [(80, "bf16", 64), (90, "bf16", 256), (90, "fp32", 64), (90, "fp16", 3), (100, "bf16", 64)],
)
@pytest.mark.parametrize(("kernel", "constants"), [row[1:] for row in KERNELS], ids=[row[0] for row in KERNELS])
def test_kernel_compiles_without_spills(
    kernel: Any, constants: dict[str, Any], capability: int, dtype: str, channels: int
) -> None:
    if capability == 100 and torch.version.cuda is not None and torch.version.cuda < "12.8":
        pytest.skip("this Triton does not know sm_100 yet")
    found = compiled(kernel, constants, capability=capability, dtype=dtype, channels=channels)
    assert found.spilled == 0
    # With half of it two programs of 256 threads fit on a multiprocessor, which hide each other's waiting.
    assert found.registers <= (128 if channels % 16 == 0 else 255)
    if channels % 16 == 0:
        assert found.widest_read == 16
