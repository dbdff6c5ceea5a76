"""Counts the operations that torch runs, by name."""

from collections import Counter
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class OperationCounter(TorchDispatchMode):
    """While it is entered, `num` counts: `aten::convolution`, `cartoon_dist::instance_norm`."""

    def __init__(self) -> None:
        super().__init__()
        self.num: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.num[func.name()] += 1
        return func(*args, **(kwargs or {}))
