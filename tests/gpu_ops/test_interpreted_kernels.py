"""The kernels agree with torch's operations, as far as Triton's interpreter shows it on a CPU."""

from pathlib import Path

import pytest

from tests.running import helper


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_kernels_agree_with_torch_in_float64_and_with_themselves(dtype: str) -> None:
    run = helper(Path(__file__).with_name("interpreted.py"), dtype, TRITON_INTERPRET="1", OMP_NUM_THREADS="1")
    assert run.returncode == 0, run.stderr
