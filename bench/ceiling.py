"""The least a step could take: its counted FLOPs, at the rate this machine reaches on the step's own convolutions."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from cartoon_dist.cpu import switch

_FORWARD, _BACKWARD = torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default
REPEATS = 3


class _Call(NamedTuple):
    """A convolution, forward or backward, without values: tensors are replaced by their shapes."""

    backward: bool
    arguments: tuple[Any, ...]


class _Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the convolutions that are computed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[_Call] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (_FORWARD, _BACKWARD):
            arguments = tuple(
                arg.shape if isinstance(arg, Tensor) else tuple(arg) if isinstance(arg, list) else arg for arg in args
            )
            self.counts[_Call(func is _BACKWARD, arguments)] += 1
        return func(*args, **(kwargs or {}))


class Ceiling:
    """The convolutions of one step in torch's own implementation, not our faster ones for the CPU, and their FLOPs."""

    def __init__(self, step: Callable[[], object]) -> None:
        with switch.disabled(), FlopCounterMode(display=False) as counter, _Calls() as calls:
            step()
        self.flops, self.counts = counter.get_total_flops(), calls.counts

    def seconds(self) -> tuple[float, float]:
        """The sum over the step's convolutions of the best time of a few, by the clock and by processor time.

        That is the step's FLOPs over the rate, as no FLOP is counted outside of convolutions.
        """
        best = [(count, *_best(call)) for call, count in self.counts.items()]
        return sum(count * clock for count, clock, _ in best), sum(count * work for count, _, work in best)


def _best(call: _Call) -> tuple[float, float]:
    arguments = [torch.randn(arg) if isinstance(arg, torch.Size) else arg for arg in call.arguments]
    operation = _BACKWARD if call.backward else _FORWARD
    times: list[tuple[float, float]] = []
    for _ in range(REPEATS):
        begun, worked = time.perf_counter(), time.process_time()
        operation(*arguments)
        times.append((time.perf_counter() - begun, time.process_time() - worked))
    clock, work = (min(side) for side in zip(*times, strict=True))
    return clock, work
