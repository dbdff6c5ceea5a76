"""Compiles the kernels for a GPU that is not there, and asks NVIDIA's assembler for registers and spills.

`python -m tests.gpu_ops.compiled` prints the table of docs/performance.md.
"""

# ruff: noqa: T201

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from cartoon_dist.gpu.cbam_gradient_kernels import (
    cbam_channels_sums_kernel,
    cbam_maps_gradient_kernel,
    cbam_product_sums_kernel,
)
from cartoon_dist.gpu.cbam_kernels import (
    cbam_channels_kernel,
    cbam_places_kernel,
    cbam_product_kernel,
    cbam_whole_places_kernel,
)
from cartoon_dist.gpu.norm_gradient_kernels import gradient_kernel, gradient_sums_kernel
from cartoon_dist.gpu.norm_kernels import normalise_kernel, statistics_kernel
from cartoon_dist.gpu.padding_kernels import padding_gradient_kernel, padding_kernel
from cartoon_dist.gpu.work_split import split, split_pixels

ALL = {"AFFINE": True, "RESIDUAL": True, "ACTIVATION": "leaky_relu", "REFLECT": 1}
GATHERING = ALL | {"OF_RESULT": True, "OF_INNER": True, "KEPT": True}
EDGES = {"LEFT": 3, "RIGHT": 3, "ABOVE": 3, "BELOW": 3}
KERNELS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("statistics", statistics_kernel, {}),
    ("normalise, with everything", normalise_kernel, ALL),
    ("sums of the gradient, gathering, written", gradient_sums_kernel, GATHERING | {"WRITES": True}),
    ("gradient, gathering", gradient_kernel, GATHERING | {"WRITES": False}),
    ("gradient, of what was written", gradient_kernel, GATHERING | {"WRITES": True}),
    ("padding", padding_kernel, EDGES),
    ("padding, gradient", padding_gradient_kernel, EDGES),
    ("CBAM: places of parts", cbam_places_kernel, {}),
    ("CBAM: places of pictures", cbam_whole_places_kernel, {}),
    ("CBAM: channels", cbam_channels_kernel, {}),
    ("CBAM: product", cbam_product_kernel, {}),
    ("CBAM: sums of the product's gradient", cbam_product_sums_kernel, {}),
    ("CBAM: sums of the channels' gradient", cbam_channels_sums_kernel, {}),
    ("CBAM: gradient", cbam_maps_gradient_kernel, {"POOLED": True, "PLACES": True}),
)
OF_PIXELS = (
    cbam_channels_kernel,
    cbam_product_kernel,
    cbam_product_sums_kernel,
    cbam_channels_sums_kernel,
    cbam_maps_gradient_kernel,
)
"""Take all channels of their pixels."""
SUMS = ("weight", "bias", "statistics", "partial", "of_parameters", "counts")
"""Pointers to float32; all others point to maps."""
NUMBERS = ("epsilon", "slope")
ASSEMBLERS = Path(triton.__file__).parent / "backends/nvidia/bin"


class Compiled(NamedTuple):
    """What the assembler says of a kernel: registers a thread, bytes it spills; and the widest read in bytes."""

    registers: int
    spilled: int
    widest_read: int


def compiled(kernel: Any, constants: Mapping[str, Any], *, capability: int, dtype: str, channels: int) -> Compiled:
    """For a GPU of this capability (90: H100) and maps of this type, bf16, fp16 or fp32."""
    parts = split(4, channels, 4096)
    options = split_pixels(4, channels, 4096).options if kernel in OF_PIXELS else parts.options
    num_warps = options.pop("num_warps")
    known = {**constants, **options, "CHANNELS": channels, "BLOCK_PARTS": parts.block_parts}
    signature, aligned = {}, {}
    for place, parameter in enumerate(kernel.params):
        name = parameter.name
        if parameter.is_constexpr:
            signature[name] = "constexpr"
        elif name in NUMBERS:
            signature[name] = "fp32"
        elif name.startswith(("height", "width", "num_", "part_", "written_", "residual_")):
            signature[name] = "i32"
        else:
            signature[name] = "*fp32" if name in SUMS else f"*{dtype}"
        # What the launcher sees of whole pictures: addresses and strides are multiples of 16.
        if "*" in signature[name] or (name.startswith("residual_") and channels % 16 == 0):
            aligned[(place,)] = [["tt.divisibility", 16]]
    constexprs = {(place,): known[p.name] for place, p in enumerate(kernel.params) if p.is_constexpr}
    source = ASTSource(kernel, signature, constexprs, aligned)
    ptx = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": num_warps}).asm["ptx"]
    return _assembled(ptx, capability)


def _assembled(ptx: str, capability: int) -> Compiled:
    [architecture] = re.findall(r"\.target (sm_\w+)", ptx)
    assembler = ASSEMBLERS / ("ptxas-blackwell" if capability >= 100 else "ptxas")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(ptx, encoding="utf-8")
        command = [str(assembler), "-v", f"--gpu-name={architecture}", str(path), "-o", str(path.with_suffix(".o"))]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    [registers] = re.findall(r"Used (\d+) registers", said)
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill", said)))
    reads = re.findall(r"ld\.global\S*?(?:\.v(\d))?\.b(\d+)", ptx)
    return Compiled(int(registers), spilled, max(int(many or 1) * int(bits) // 8 for many, bits in reads))


def main() -> None:
    """The table, for maps of 64 channels."""
    columns = [(80, "bf16"), (90, "bf16"), (90, "fp32"), (100, "bf16")]
    print("| kernel |", *(f"sm_{capability}, {dtype} |" for capability, dtype in columns))
    print("|---|" + "---|" * len(columns))
    for name, kernel, constants in KERNELS:
        found = [
            compiled(kernel, constants, capability=capability, dtype=dtype, channels=64)
            for capability, dtype in columns
        ]
        print(f"| {name} |", *(f"{kernel.registers} |" for kernel in found), flush=True)


if __name__ == "__main__":
    main()
