"""Finds what changes the memory layout of maps in a step: what a GPU would lose time with between convolutions."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

CONVOLUTIONS = {"aten::convolution": 2, "aten::convolution_backward": 3}
"""By name how many of the first arguments are maps and weights: input, weight; grad_output, input, weight."""
COPIES = ("aten::copy_", "aten::clone", "aten::_to_copy", "aten::contiguous")
VIEWS = ("aten::permute", "aten::view", "aten::transpose.int")


class LayoutCopies(TorchDispatchMode):
    """While it is entered, `found` counts: convolutions that are given maps or weights in NCHW, copies from one layout
    to the other, and operations that read one and write the other. `num` counts operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.num: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.name()
        self.num[name] += 1
        if name in CONVOLUTIONS:
            for tensor in args[: CONVOLUTIONS[name]]:
                if layout_of(tensor) == "nchw":
                    self.found[f"{name} of {tuple(tensor.shape)} in NCHW"] += 1
        elif name in COPIES or not name.startswith("cartoon_dist::"):
            tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs or {}, result)) if isinstance(leaf, Tensor)]
            layouts = {layout_of(tensor) for tensor in tensors} - {"both"}
            if len(layouts) > 1 and name not in VIEWS:
                self.found[f"{name} between layouts of {tuple(tensors[0].shape)}"] += 1
        return result


def layout_of(tensor: Tensor) -> str:
    """`nchw`, `nhwc`, or `both`: with one channel, one pixel, or a number that stands for many, nothing tells."""
    if tensor.dim() != 4 or any(stride == 0 for stride in tensor.stride()):
        return "both"
    _, channels, height, width = tensor.shape
    if channels == 1 or height * width == 1:
        return "both"
    pixels = [stride for stride, size in zip(tensor.stride()[2:], (height, width), strict=True) if size > 1]
    return "nhwc" if tensor.stride(1) < min(pixels) else "nchw"


def count_in_step(step: Any, phase: str, batch: Any) -> LayoutCopies:
    """Of one more step of that phase; a first one has made what is made once."""
    step(phase, batch)
    with LayoutCopies() as copies:
        step(phase, batch)
    return copies


def as_the_loader_gives_it(batch: Any) -> Any:
    """A batch of bytes whose pixels' channels lie together."""
    return type(batch)(*(side.contiguous(memory_format=torch.channels_last) for side in batch))
