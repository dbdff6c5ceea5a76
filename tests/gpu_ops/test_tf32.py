"""TF32 is off while it is asked for, and afterwards what it was."""

import pytest
import torch

from cartoon_dist.gpu.tf32 import without_tf32


def test_tf32_is_off_while_it_is_asked_for_and_as_before_after_it() -> None:
    def allowed() -> list[bool]:
        return [torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32]

    def fails() -> None:
        with without_tf32():
            assert allowed() == [False, False]
            raise ValueError("planted")

    before = allowed()
    with pytest.raises(ValueError, match="planted"):
        fails()
    assert allowed() == before
