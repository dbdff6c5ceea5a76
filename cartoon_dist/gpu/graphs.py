"""CUDA graphs: launches recorded once, then replayed on the same memory; and their proof on any machine.

Written by the rules of torch's notes on CUDA graphs; docs/gpu.md says what of it has been run.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
_READS_BACK = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default)


class Graphs:
    """CUDA graphs, recorded on one stream into one pool of memory; nothing runs while it records.

    Graphs of one pool may be replayed in any order, but not at the same time: what a graph needs until its end alone,
    the next one may use. A recording that fails leaves torch on the stream that it was on, and holds no memory.
    """

    def __init__(self) -> None:
        self.graphs: list[torch.cuda.CUDAGraph] = []
        self._stream: torch.cuda.Stream | None = None
        self._pool: Any = None

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what is issued meanwhile, in one graph or, with `end` and `begin` between them, in several.

        torch.cuda.graph, which does the same for one graph, stays on its stream and keeps its pool when ending a
        recording fails. Here both are left, whatever happens.
        """
        torch.cuda.synchronize()
        gc.collect()  # what cycles hold would stay in memory beside the pool
        torch.cuda.empty_cache()
        self._stream = self._stream or torch.cuda.Stream()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        with torch.cuda.stream(self._stream):
            self.begin()
            try:
                yield
                self.end()
            except BaseException:
                self._break_off()
                raise

    def begin(self) -> None:
        """Begin a graph, within `recording`."""
        self.graphs.append(torch.cuda.CUDAGraph())
        # thread_local: another thread (of the writer, of the heartbeat) may call CUDA meanwhile.
        self.graphs[-1].capture_begin(pool=self._pool, capture_error_mode="thread_local")

    def end(self) -> None:
        """End the graph under way, within `recording`."""
        self.graphs[-1].capture_end()

    def release(self, *graphs: torch.cuda.CUDAGraph) -> None:
        """Give these graphs back, or all: the memory of a pool is free when the last of its graphs is gone."""
        for graph in graphs or tuple(self.graphs):
            graph.reset()
            self.graphs.remove(graph)
        if not self.graphs:
            self._pool = None

    def _break_off(self) -> None:
        """End the recording under way as far as it can be ended: the error that broke it off is worth more."""
        try:
            self.graphs[-1].capture_end()
        except RuntimeError:
            # torch leaves these as they were in the recording when it cannot be ended; the functions are its own.
            device = torch.cuda.current_device()
            with suppress(RuntimeError, AttributeError):
                torch._C._cuda_endAllocateToPool(device, self._pool)
                torch._C._cuda_releasePool(device, self._pool)
            with suppress(RuntimeError, AttributeError):  # the generator would refuse to draw: it counts for a graph
                generator = torch.cuda.default_generators[device]
                fresh = torch.Generator(device=f"cuda:{device}").set_state(generator.get_state())
                generator.graphsafe_set_state(fresh.graphsafe_get_state())


@dataclass(frozen=True)
class Recorded:
    """A recorded function. replay: computes `results` anew, in the same memory. release: gives the recording back."""

    results: Tensors
    replay: Callable[[], object]
    release: Callable[[], None] = lambda: None


class Recorder(Protocol):
    """A way to record a function without inputs that reads and writes memory which stays where it is."""

    def warm_up(self, function: Callable[[], Tensors]) -> Tensors:
        """Run the function plain, so that it can be recorded after it."""
        ...

    def record(self, function: Callable[[], Tensors]) -> Recorded:
        """Record it, without running it; errors of the function, and CUDA's own for what cannot be recorded."""
        ...


class CudaRecorder:
    """Records functions as CUDA graphs that share one pool of memory."""

    def __init__(self) -> None:
        self._graphs = Graphs()
        self._side: torch.cuda.Stream | None = None

    def warm_up(self, function: Callable[[], Tensors]) -> Tensors:
        """On a side stream: what libraries set up there at first use may not happen within a recording."""
        here = torch.cuda.current_stream()
        self._side = self._side or torch.cuda.Stream()
        self._side.wait_stream(here)
        with torch.cuda.stream(self._side):
            results = function()
        here.wait_stream(self._side)
        for result in results:
            result.record_stream(here)
        return results

    def record(self, function: Callable[[], Tensors]) -> Recorded:
        """See Recorder."""
        num_before = len(self._graphs.graphs)
        try:
            with self._graphs.recording():
                results = function()
        except BaseException:
            if len(self._graphs.graphs) > num_before:
                self._graphs.release(self._graphs.graphs[-1])
            raise
        graph = self._graphs.graphs[-1]
        return Recorded(results, graph.replay, lambda: self._graphs.release(graph))


class TracingRecorder:
    """Records by `make_fx` what a CUDA graph would: the operations on the same memory, without running them.

    It saves no time. It shows on any machine what a recording freezes: numbers of Python's, tensors that are replaced.
    One thing is run all the same, by torch's fake tensors: `kept.add_(1)`, in place by a number alone.
    """

    def warm_up(self, function: Callable[[], Tensors]) -> Tensors:
        """The function as it is."""
        return function()

    def record(self, function: Callable[[], Tensors]) -> Recorded:
        """See Recorder; RuntimeError where a value is read back."""
        from torch.fx.experimental.proxy_tensor import make_fx  # takes a second, and only rehearsals need it

        made: list[Tensor] = []

        def noted() -> Tensors:
            made[:] = results = function()
            return results

        graph = make_fx(noted, tracing_mode="fake", _allow_non_fake_inputs=True)()
        if any(node.target in _READS_BACK for node in graph.graph.nodes):
            raise RuntimeError("a value is read back from the device")
        memory = tuple(torch.empty_strided(one.shape, one.stride(), dtype=one.dtype) for one in made)
        return Recorded(memory, lambda: [place.copy_(new) for place, new in zip(memory, graph(), strict=True)])
