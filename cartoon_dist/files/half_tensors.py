"""Pretrained weights rounded to half precision, to be carried to a machine without a network: half the file.

Matrices and kernels are rounded to float16, at most one part in 2,048 away; what is small anyway (biases, statistics of
batch norms) stays as it is. Whoever reads them gets float32.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds, and those who only look for a file do without
    from torch import Tensor


def half_bytes(tensors: "Mapping[str, Tensor]") -> bytes:
    """The tensors as a safetensors file in half precision; the same tensors always give the same bytes."""
    from safetensors.torch import save

    rounded = {
        name: (tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor).contiguous()
        for name, tensor in tensors.items()
    }
    return save(rounded)


def read_half(path: Path) -> "dict[str, Tensor]":
    """The tensors of such a file, all floating ones in float32."""
    from safetensors.torch import load_file

    stored = load_file(path)
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in stored.items()}
