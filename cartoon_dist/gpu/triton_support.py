"""Whether this machine and its GPU can run Triton's kernels: said once where they cannot."""

import functools
import importlib.util
import logging
import os
import shutil
import sysconfig
from pathlib import Path

import torch

LEAST_CAPABILITY = (8, 0)
"""Of a GPU: Ampere, the first with bfloat16."""

_log = logging.getLogger(__name__)


@functools.cache
def can_run_kernels(device: torch.device) -> bool:
    """Whether kernels can be built and run for this CUDA device; if not, it is logged once what is to be done."""
    lacks = _what_lacks(device)
    if lacks:
        _log.warning("the fused operations are left out, torch's own run instead, slower: %s", lacks)
    return not lacks


def _what_lacks(device: torch.device) -> str:
    """What keeps kernels from running, and what to do; an empty string if nothing does."""
    if torch.version.hip:
        return "they were written for CUDA alone"
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        least, has = (".".join(map(str, version)) for version in (LEAST_CAPABILITY, capability))
        return (
            f"they need a GPU of compute capability {least} or more, and {torch.cuda.get_device_name(device)} has {has}"
        )
    return _what_the_machine_lacks()


def _what_the_machine_lacks() -> str:
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed; pip install triton, in the version that this torch names"
    # Triton compiles a small launcher in C for each kernel, with Python's headers; it looks for these, in this order.
    if not any(map(shutil.which, [os.environ["CC"]] if "CC" in os.environ else ["gcc", "clang"])):
        return "there is no C compiler, which Triton needs; install gcc, or set CC to one"
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        return f"{headers} has no Python.h, which Triton needs; install Python's headers (python3-dev)"
    return ""
