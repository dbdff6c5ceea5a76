"""A recorded step without a GPU: its operations written down as they run, then run again on the same memory.

This saves no time. It makes it a fact on any machine that a step can be recorded: a number of Python's, a tensor that
was replaced, a value that was read back are frozen here as they would be in a CUDA graph, and then the weights differ.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.proxy_tensor import get_proxy_mode, make_fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.capture.fault import ReadsBackError, reads_back
from cartoon_dist.train.gradient_averaging import nothing_sent
from cartoon_dist.train.state import TrainState
from cartoon_dist.train.step import Apart, Drawn, Outcome, Update, at_once


class Replay:
    """Records by `make_fx`: the step runs once, without sending anything, and the state is put back after it."""

    def __init__(self, state: TrainState, abandon: Callable[[], None]) -> None:
        self.state = state
        self.abandon = abandon
        self.release()

    def eager(self, step: Callable[[], Outcome]) -> Outcome:
        """The step as it is."""
        return step()

    def record(self, step: Callable[[Apart], Outcome], *, whole: bool) -> Callable[[], Outcome]:
        """See Recorder; errors of the step, and ReadsBackError where it reads a number back."""
        told: dict[str, float | Tensor] = {}

        def traced() -> tuple[dict[str, Tensor], list[list[Tensor]]]:
            with _NothingReadBack():
                outcome = step(at_once if whole else self._leave_out)
            told.update(outcome.weights)
            return outcome.figures, [cut.given for cut in self.cuts]

        held = [tensor for named in self.state.tensors().values() for tensor in named.values()]
        before = [tensor.clone() for tensor in held]
        try:
            with nothing_sent():
                graph = make_fx(traced)()
        finally:
            self.abandon()
            with torch.no_grad():
                torch._foreach_copy_(held, before)
        for number, cut in enumerate(self.cuts):
            cut.insert(graph, at=number)
        graph.recompile()

        @torch.no_grad()
        def replay() -> Outcome:
            figures, _ = graph()
            apart = {name: value for cut in self.cuts for name, value in cut.figures.items()}
            return Outcome(figures | apart, told)

        return replay

    def release(self) -> None:
        """Forget the recording."""
        self.cuts: list[_Cut] = []

    def _leave_out(self, update: Update, drawn: Drawn) -> Outcome:
        """Where a replay runs an update plain: nothing of it is recorded, and nothing done now."""
        mode = get_proxy_mode()
        assert mode is not None
        self.cuts.append(_Cut(update, drawn, len(mode.tracer.graph.nodes)))
        return Outcome({}, {})


class _Cut(nn.Module):
    """A place in the graph at which an update runs plain, on what the graph has made up to there."""

    def __init__(self, update: Update, drawn: Drawn, num_nodes: int) -> None:
        super().__init__()
        self.update = update
        self.num_nodes = num_nodes
        self.figures: dict[str, Tensor] = {}
        leaves, self.spec = pytree.tree_flatten(drawn)
        self.given = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        self.none = [number for number, leaf in enumerate(leaves) if leaf is None]

    def forward(self, *given: Tensor) -> None:
        """Run the update, as a node of the graph."""
        leaves: list[Any] = list(given)
        for number in self.none:
            leaves.insert(number, None)
        with torch.enable_grad():
            self.figures = self.update(pytree.tree_unflatten(leaves, self.spec)).figures

    def insert(self, graph: fx.GraphModule, *, at: int) -> None:
        """Put the call into the graph after the nodes that came before it."""
        nodes = list(graph.graph.nodes)
        given = nodes[-1].args[0][1][at]
        graph.add_submodule(f"apart_{at}", self)
        with graph.graph.inserting_after(nodes[self.num_nodes - 1]):
            graph.graph.call_module(f"apart_{at}", tuple(given))


class _NothingReadBack(TorchDispatchMode):
    """On a CPU a number is read back without a trace; on a GPU the same line waits, and cannot be recorded."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if waits := reads_back(func, args):
            raise ReadsBackError(waits)
        return func(*args, **(kwargs or {}))
