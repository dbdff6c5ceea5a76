"""The kernels agree with torch's operations, as far as Triton's interpreter shows it on a CPU."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import LIMIT_SECONDS, ROOT, environment

pytest.importorskip("triton", reason="Triton comes with torch for Linux alone")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("script", ["interpreted.py", "interpreted_cbam.py"])
def test_kernels_agree_with_torch_in_float64_and_with_themselves(script: str, dtype: str) -> None:
    # Not forked from a process that has Triton already: it looks for the variable when it is imported.
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name(script), dtype],
        env=environment() | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr
