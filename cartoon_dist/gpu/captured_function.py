"""A function of one tensor on a GPU, recorded for each kind of input that comes often, and replayed from then on."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from cartoon_dist.gpu.graphs import Recorded, Recorder, Tensors

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kept:
    """A recording and the memory that it reads."""

    source: Tensor
    recorded: Recorded


class CapturedFunction:
    """Calls a function plain as often as `num_plain` for each kind of input, records it, and replays it from then on.

    So inputs that are all of other shapes record nothing. At most `max_graphs` recordings are kept; the one that was
    longest without use goes first. Where recording fails, this is said once and the function runs plain from then on.

    function: from a tensor on the device to tensors there; it reads nothing back, and depends on the tensor's values
    alone and on memory that stays where it is. depends_on: all else that its operations follow from (which weights,
    which switches), asked for before each call.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensors],
        recorder: Recorder,
        *,
        name: str,
        device: torch.device,
        depends_on: Callable[[], Hashable] = tuple,
        num_plain: int = 2,
        max_graphs: int = 8,
    ) -> None:
        self.function, self.recorder, self.name, self.device = function, recorder, name, device
        self.depends_on, self.num_plain, self.max_graphs = depends_on, num_plain, max_graphs
        self.refused = ""
        self._seen: Counter[Hashable] = Counter()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    @property
    def num_graphs(self) -> int:
        """How many recordings are kept."""
        return len(self._kept)

    def __call__(self, values: Tensor) -> Tensors:
        """The function's results; those of a replay are written over by the next call.

        values: on the device, or in page-locked memory.
        """
        if self.refused:
            return self.function(self._on_device(values))
        kind = (tuple(values.shape), values.dtype, self.depends_on())
        if kept := self._kept.get(kind):
            self._kept.move_to_end(kind)
            kept.source.copy_(values, non_blocking=True)
            kept.recorded.replay()
            return kept.recorded.results
        if self._seen[kind] < self.num_plain:
            self._count(kind)
            source = self._on_device(values)
            return self.recorder.warm_up(lambda: self.function(source))
        self._record(kind, values)
        return self(values)

    def release(self) -> None:
        """Give all recordings and their memory back; they are made anew when their inputs come again."""
        for kept in self._kept.values():
            kept.recorded.release()
        self._kept.clear()

    def _record(self, kind: Hashable, values: Tensor) -> None:
        while len(self._kept) >= self.max_graphs:
            _, oldest = self._kept.popitem(last=False)
            oldest.recorded.release()
        try:
            source = self._on_device(values).clone(memory_format=torch.preserve_format)
            self._kept[kind] = _Kept(source, self.recorder.record(lambda: self.function(source)))
        except Exception as error:  # noqa: BLE001  whatever it was, the plain way goes on without it
            self.release()
            self.refused = " ".join(str(error).split()) or type(error).__name__
            _log.warning("warning: %s cannot be recorded as a CUDA graph and runs plain: %s", self.name, self.refused)

    def _on_device(self, values: Tensor) -> Tensor:
        return values.to(self.device, non_blocking=True)

    def _count(self, kind: Hashable) -> None:
        if len(self._seen) > 1000:  # a folder of pictures that are all of other sizes
            self._seen.clear()
        self._seen[kind] += 1
