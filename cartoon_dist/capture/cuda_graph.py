"""A recorded step on a GPU: CUDA graphs. Written by the rules of torch's notes on them; docs/gpu.md says what of it has
been run."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor

from cartoon_dist.train.phase import EagerUpdate, Generated, StepOutput, Update, run_update


class CudaGraphRecorder:
    """Records on a side stream into one pool of memory; nothing runs while it records. A recording that fails leaves
    torch on the stream that it was on, and holds no memory.

    abandon: forgets a step that was begun. One graph, or with an update left out two around it: what the first made for
    the backward (autograd holds it while the second is recorded) stays in the pool, where the second finds it at every
    replay.
    """

    def __init__(self, abandon: Callable[[], None]) -> None:
        self.abandon = abandon
        self.streams: dict[str, torch.cuda.Stream] = {}
        self.graphs: list[torch.cuda.CUDAGraph] = []
        self.program: list[Callable[[], None]] = []
        self.eager_figures: dict[str, Tensor] = {}

    def run_eagerly(self, step: Callable[[], StepOutput]) -> StepOutput:
        """The step on a side stream: what libraries set up there at first use may not happen within a recording."""
        here = torch.cuda.current_stream()
        side = self._stream("plain")
        side.wait_stream(here)
        with torch.cuda.stream(side):
            output = step()
        here.wait_stream(side)
        for figure in output.figures.values():
            figure.record_stream(here)
        return output

    def record(self, step: Callable[[EagerUpdate], StepOutput], *, whole: bool) -> Callable[[], StepOutput]:
        """See Recorder; errors of the step, and CUDA's own where an operation cannot be recorded."""
        self.abandon()  # gradients are to be made in the pool
        self.pool = torch.cuda.graph_pool_handle()
        try:
            with self._recording():
                output = step(run_update if whole else self._leave_out)
                names = list(output.figures)
                # One tensor, so that one copy hands all figures out before the next replay writes over them.
                figures = torch.stack([figure.detach().double() for figure in output.figures.values()])
        finally:
            self.abandon()
        program, eager_figures, weights = self.program, self.eager_figures, output.term_weights

        def replay() -> StepOutput:
            for part in program:
                part()
            recorded: dict[str, Tensor] = dict(zip(names, figures.clone().unbind(), strict=True))
            return StepOutput(recorded | eager_figures, weights)

        return replay

    def release(self) -> None:
        """Give the graphs and their memory back."""
        for graph in self.graphs:
            graph.reset()
        self.graphs, self.program, self.eager_figures = [], [], {}

    def _stream(self, purpose: str) -> torch.cuda.Stream:
        """One for plain steps and one for recordings: what autograd holds from one to the next stays on its stream."""
        if purpose not in self.streams:
            self.streams[purpose] = torch.cuda.Stream()
        return self.streams[purpose]

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Record what is issued meanwhile, in one graph or, where an update is left out, in several.

        torch.cuda.graph, which does the same for one graph, stays on its stream and keeps its pool when ending a
        recording fails. Here both are left, whatever happens.
        """
        torch.cuda.synchronize()
        gc.collect()  # what cycles hold would stay in memory beside the pool
        torch.cuda.empty_cache()
        with torch.cuda.stream(self._stream("recording")):
            self._begin()
            try:
                yield
                self._end()
            except BaseException:
                self._break_off()
                raise

    def _break_off(self) -> None:
        """End the recording under way as far as it can be ended: the error that broke it off is worth more."""
        try:
            self.graphs[-1].capture_end()
        except RuntimeError:
            # torch leaves these as they were in the recording when it cannot be ended; the functions are its own.
            device = torch.cuda.current_device()
            with suppress(RuntimeError, AttributeError):
                torch._C._cuda_endAllocateToPool(device, self.pool)
                torch._C._cuda_releasePool(device, self.pool)
            with suppress(RuntimeError, AttributeError):  # the generator would refuse to draw: it counts for a graph
                generator = torch.cuda.default_generators[device]
                fresh = torch.Generator(device=f"cuda:{device}").set_state(generator.get_state())
                generator.graphsafe_set_state(fresh.graphsafe_get_state())

    def _begin(self) -> None:
        self.graphs.append(torch.cuda.CUDAGraph())
        # thread_local: another thread (of the writer, of the heartbeat) may call CUDA meanwhile.
        self.graphs[-1].capture_begin(pool=self.pool, capture_error_mode="thread_local")

    def _end(self) -> None:
        self.graphs[-1].capture_end()
        self.program.append(self.graphs[-1].replay)

    def _leave_out(self, update: Update, generated: Generated) -> StepOutput:
        """End this graph, and begin another after the update; what G made lies where each replay makes it anew."""
        self._end()

        def between() -> None:
            self.eager_figures.update(update(generated).figures)

        self.program.append(between)
        self._begin()
        return StepOutput({}, {})
