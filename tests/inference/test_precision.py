"""Drawing in half the bits: near the drawing in float32, in one piece and in strips; refused where there is none."""

import numpy as np
import pytest
import torch

from cartoon_dist.config.commands import Precision
from cartoon_dist.errors import ConfigError
from cartoon_dist.inference.batched import torch_cartoonizer
from tests.inference.test_batched import CPU, generator


def photo() -> np.ndarray:
    """Smooth, as photos are; a third of a level a pixel."""
    rows, columns = np.mgrid[0:64, 0:96]
    return np.stack([rows * 2 + columns // 3, 255 - rows * 3, columns * 2], -1).astype(np.uint8)


@pytest.mark.parametrize(("precision", "allowed"), [("bf16", 8.0), ("fp16", 1.0)])
def test_half_of_the_bits_draw_nearly_the_same(precision: Precision, allowed: float) -> None:
    drawings = {}
    for name, megapixels in (("fp32", 1.0), (precision, 1.0), (precision, 1e-6)):
        made = generator()
        cartoonizer = torch_cartoonizer(made, CPU, megapixels=megapixels, precision=name)
        assert (
            next(made.parameters()).dtype
            == {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
        )
        [drawings[name, megapixels]] = cartoonizer.cartoonize([photo()])
    whole = drawings["fp32", 1.0].astype(int)
    assert whole.std() > 10
    for megapixels in (1.0, 1e-6):
        difference = np.abs(drawings[precision, megapixels] - whole)
        assert 0 < difference.mean() < allowed, difference.mean()


def test_a_device_that_cannot_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_tensors: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")

    monkeypatch.setattr(torch.nn.functional, "conv2d", refuse)
    with pytest.raises(ConfigError, match="precision=fp16: this cpu does not compute so; use precision=fp32"):
        torch_cartoonizer(generator(), CPU, megapixels=1, precision="fp16")
    torch_cartoonizer(generator(), CPU, megapixels=1)  # float32 is not tried out


def test_float64_stays_unless_another_precision_is_asked_for() -> None:
    for precision, dtype in (("fp32", torch.float64), ("bf16", torch.bfloat16)):
        made = generator().double()
        torch_cartoonizer(made, CPU, megapixels=1, precision=precision)
        assert next(made.parameters()).dtype == dtype
