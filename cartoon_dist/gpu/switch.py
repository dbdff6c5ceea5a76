"""Which of the GPU's optimisations are used: all of them, unless one is switched off to measure what it is worth.

The environment variable `CARTOON_DIST_WITHOUT` names those to leave out, with commas between; processes that are
started inherit it. `python -m bench.gpu_proof --without NAME` sets it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Optimisation = Literal["fused_norm", "fused_cbam", "channels_last", "padded_channels", "averaging_in_backward"]
"""fused_norm: instance norm, activation, residual sum and reflection padding in one kernel. fused_cbam: CBAM's poolings
and products in one kernel each, without maps between them. channels_last: maps and weights in NHWC on CUDA.
padded_channels: convolutions from or to 3 or 1 channels run with 8 on CUDA. averaging_in_backward: gradients of several
processes are averaged while the backward still runs."""

VARIABLE = "CARTOON_DIST_WITHOUT"


def is_enabled(name: Optimisation) -> bool:
    """Whether it may be used."""
    return name not in os.environ.get(VARIABLE, "").split(",")


@contextmanager
def disabled(*names: Optimisation) -> Iterator[None]:
    """In this block these are not used, here and in processes that are started."""
    assert set(names) <= set(get_args(Optimisation)), names
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ",".join(filter(None, [before, *names]))
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
