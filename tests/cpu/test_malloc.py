"""Freed memory that is kept: how often the system hands out pages, in a process of its own."""

import subprocess
import sys

import pytest

from tests.running import ROOT, environment

pytestmark = pytest.mark.slow

FAULTS = """
import resource, sys
import torch
from cartoon_dist.cpu.malloc import reuse_freed_memory
if sys.argv[1] == "kept":
    assert reuse_freed_memory()
for turn in range(20):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64, 2**18)  # 64 MiB, more than malloc keeps by itself
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's setting")
def test_freed_memory_is_used_again() -> None:
    faults = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", FAULTS, how],
                cwd=ROOT,
                env=environment(),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for how in ("kept", "given back")
    }
    # How large a page is depends on the machine: with huge ones there are 512 times fewer.
    huge_pages = 10 * 64 // 2
    assert faults["given back"] > 0.9 * huge_pages
    assert faults["kept"] < 0.1 * faults["given back"]


SIZES = """
import sys
import numpy as np
import torch
from cartoon_dist.inference.batched import torch_cartoonizer
from cartoon_dist.models.generator import Generator
torch.manual_seed(1)
model = Generator(channels=4, num_blocks=1, upsample="resize", saliency=None, attention=False).eval()
# In float32 onnxruntime draws, and torch does not convolve.
cartoonizer = torch_cartoonizer(model, torch.device("cpu"), megapixels=1, precision="bf16")
for side in [*range(40, 40 + 4 * 40, 4), 40, 40]:
    print("side", side, flush=True)
    cartoonizer.cartoonize([np.zeros((side, 48, 3), np.uint8)])
"""


def test_what_is_compiled_for_a_size_of_pictures_is_forgotten_for_others() -> None:
    """The memory of a process that draws many sizes is what it keeps of them, so this is counted and not the memory."""
    said = subprocess.run(
        [sys.executable, "-c", SIZES],
        cwd=ROOT,
        env=environment() | {"ONEDNN_VERBOSE": "2"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    drawings = said.split("side ")[1:]
    compiled, found = ([part.count(f"create:cache_{how}") for part in drawings] for how in ("miss", "hit"))
    assert len(drawings) == 42
    if not compiled[0]:
        pytest.skip("torch was built without oneDNN, or convolves by other means here")
    # The first size, drawn again after 39 others, is compiled anew; drawn twice in a row it is not.
    assert compiled[-2] > 0
    assert compiled[-1] == 0
    assert found[-1] > 0
