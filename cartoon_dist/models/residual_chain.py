"""G's residual blocks one after the other, on a GPU without a padding between them."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from cartoon_dist.gpu.fused_operations import is_taken
from cartoon_dist.models.blocks import ResidualBlock
from cartoon_dist.tensors import Features

Result = TypeVar("Result")


class ResidualChain(nn.Sequential):
    """Residual blocks.

    The next block needs a result twice: as it is, for its sum, and with reflected pixels around it, for its first
    convolution. Where the fused operations run, the norm before writes it once for both; elsewhere each convolution
    pads, as it always did.
    """

    def __init__(self, blocks: Iterable[ResidualBlock]) -> None:
        super().__init__(*blocks)

    def forward(self, input: Features, *, checkpointed: bool = False) -> Features:
        """Maps of the same shape. checkpointed: of each block only the input is kept for the backward, which runs the
        block once more."""
        features, padded = input, None
        is_fused = is_taken(input)
        for number, block in enumerate(self, 1):
            assert isinstance(block, ResidualBlock)
            if is_fused and number < len(self):
                features, padded = _run(block.with_padded, features, padded, checkpointed=checkpointed)
            else:
                features = _run(block, features, padded, checkpointed=checkpointed)
        return features


def _run(block: Callable[..., Result], *maps: torch.Tensor | None, checkpointed: bool) -> Result:
    if not (checkpointed and torch.is_grad_enabled()):
        return block(*maps)
    # Nothing in a block is random, and reading the random state would wait for the device.
    result: Result = checkpoint(block, *maps, use_reentrant=False, preserve_rng_state=False)
    return result
