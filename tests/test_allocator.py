"""Freed memory that is kept: how often the system hands out pages, in a process of its own."""

import subprocess
import sys

import pytest
from running import ROOT, environment

pytestmark = pytest.mark.slow

FAULTS = """
import resource, sys
import torch
from cartoon_dist.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
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
