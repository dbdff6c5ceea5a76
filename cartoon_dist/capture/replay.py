"""A recorded step without a GPU: its operations written down as they run, then run again on the same memory.

This saves no time. It makes it a fact on any machine that a step can be recorded: a number of Python's, a tensor that
was replaced, a value that was read back are frozen here as they would be in a CUDA graph, and then the weights differ.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental import proxy_tensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode, make_fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from cartoon_dist.capture.fault import WaitsForDeviceError, waits_for_device
from cartoon_dist.train.gradient_averaging import nothing_sent
from cartoon_dist.train.phase import EagerUpdate, Generated, StepOutput, Update, run_update
from cartoon_dist.train.state import TrainState


class ReplayRecorder:
    """Records by `make_fx`: the step runs once, without sending anything, and the state is put back after it."""

    def __init__(self, state: TrainState, abandon: Callable[[], None]) -> None:
        self.state = state
        self.abandon = abandon
        self.release()

    def run_eagerly(self, step: Callable[[], StepOutput]) -> StepOutput:
        """The step as it is."""
        return step()

    def record(self, step: Callable[[EagerUpdate], StepOutput], *, whole: bool) -> Callable[[], StepOutput]:
        """See Recorder; errors of the step, and ReadsBackError where it reads a number back."""
        term_weights: dict[str, float | Tensor] = {}

        def traced() -> tuple[dict[str, Tensor], list[list[Tensor]]]:
            with _NothingReadBack():
                output = step(run_update if whole else self._leave_out)
            term_weights.update(output.term_weights)
            return output.figures, [cut.tensors for cut in self.cuts]

        state = [tensor for named in self.state.tensors().values() for tensor in named.values()]
        before = [tensor.clone() for tensor in state]
        try:
            with nothing_sent(), _without_examples():
                graph = make_fx(traced)()
        finally:
            self.abandon()
            with torch.no_grad():
                torch._foreach_copy_(state, before)
        for index, cut in enumerate(self.cuts):
            cut.insert(graph, at=index)
        graph.recompile()

        @torch.no_grad()
        def replay() -> StepOutput:
            figures, _ = graph()
            eager_figures = {name: value for cut in self.cuts for name, value in cut.figures.items()}
            return StepOutput(figures | eager_figures, term_weights)

        return replay

    def release(self) -> None:
        """Forget the recording."""
        self.cuts: list[_Cut] = []

    def _leave_out(self, update: Update, generated: Generated) -> StepOutput:
        """Where a replay runs an update plain: nothing of it is recorded, and nothing done now."""
        mode = get_proxy_mode()
        assert mode is not None
        self.cuts.append(_Cut(update, generated, len(mode.tracer.graph.nodes)))
        return StepOutput({}, {})


class _Cut(nn.Module):
    """A place in the graph at which an update runs plain, on what the graph has made up to there."""

    def __init__(self, update: Update, generated: Generated, num_nodes: int) -> None:
        super().__init__()
        self.update = update
        self.num_nodes = num_nodes
        self.figures: dict[str, Tensor] = {}
        leaves, self.spec = pytree.tree_flatten(generated)
        self.tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        self.places_of_none = [index for index, leaf in enumerate(leaves) if leaf is None]

    def forward(self, *tensors: Tensor) -> None:
        """Run the update, as a node of the graph."""
        leaves: list[Any] = list(tensors)
        for index in self.places_of_none:
            leaves.insert(index, None)
        with torch.enable_grad():
            self.figures = self.update(pytree.tree_unflatten(leaves, self.spec)).figures

    def insert(self, graph: fx.GraphModule, *, at: int) -> None:
        """Put the call into the graph after the nodes that came before it."""
        nodes = list(graph.graph.nodes)
        inputs = nodes[-1].args[0][1][at]
        graph.add_submodule(f"apart_{at}", self)
        with graph.graph.inserting_after(nodes[self.num_nodes - 1]):
            graph.graph.call_module(f"apart_{at}", tuple(inputs))


@contextmanager
def _without_examples() -> Iterator[None]:
    """`make_fx` notes an example of each operation's result: two thirds of its time, and nobody reads them here."""
    original = getattr(proxy_tensor, "extract_val", None)
    if original is None:  # torch's own affair: another release may have none
        yield
        return
    proxy_tensor.extract_val = lambda *_args, **_kwargs: None
    try:
        yield
    finally:
        proxy_tensor.extract_val = original


class _NothingReadBack(TorchDispatchMode):
    """On a CPU a number is read back without a trace; on a GPU the same line waits, and cannot be recorded."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if waits := waits_for_device(func, args):
            raise WaitsForDeviceError(waits)
        return func(*args, **(kwargs or {}))
