"""A recorded step on a GPU: CUDA graphs. Written by the rules of torch's notes on them; docs/capture.md says
whether it has been run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor

from cartoon_dist.train.step import Apart, Drawn, Outcome, Update, at_once


class CudaGraphs:
    """Records on torch's capture stream into one pool of memory; nothing runs while it records.

    abandon: forgets a step that was begun. One graph, or with an update left out two around it: what the first made for
    the backward (autograd holds it while the second is recorded) stays in the pool, where the second finds it at every
    replay.
    """

    def __init__(self, abandon: Callable[[], None]) -> None:
        self.abandon = abandon
        self.side: torch.cuda.Stream | None = None
        self.graphs: list[torch.cuda.CUDAGraph] = []
        self.program: list[Callable[[], None]] = []
        self.apart: dict[str, Tensor] = {}

    def eager(self, step: Callable[[], Outcome]) -> Outcome:
        """The step on a side stream: what libraries set up there at first use may not happen within a recording."""
        self.side = self.side or torch.cuda.Stream()
        here = torch.cuda.current_stream()
        self.side.wait_stream(here)
        with torch.cuda.stream(self.side):
            outcome = step()
        here.wait_stream(self.side)
        for figure in outcome.figures.values():
            figure.record_stream(here)
        return outcome

    def record(self, step: Callable[[Apart], Outcome], *, whole: bool) -> Callable[[], Outcome]:
        """See Recorder; errors of the step, and CUDA's own where an operation cannot be recorded."""
        self.abandon()  # gradients are to be made in the pool
        self.pool = torch.cuda.graph_pool_handle()
        try:
            with self._recording():
                outcome = step(at_once if whole else self._leave_out)
                names = list(outcome.figures)
                # One tensor, so that one copy hands all figures out before the next replay writes over them.
                figures = torch.stack([figure.detach().double() for figure in outcome.figures.values()])
        finally:
            self.abandon()
        program, apart, weights = self.program, self.apart, outcome.weights

        def replay() -> Outcome:
            for part in program:
                part()
            recorded: dict[str, Tensor] = dict(zip(names, figures.clone().unbind(), strict=True))
            return Outcome(recorded | apart, weights)

        return replay

    def release(self) -> None:
        """Give the graphs and their memory back."""
        for graph in self.graphs:
            graph.reset()
        self.graphs, self.program, self.apart = [], [], {}

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Record what is issued meanwhile, in one graph or, where an update is left out, in several."""
        self._begin()
        try:
            yield
        except BaseException as error:
            with suppress(RuntimeError):  # what ended the recording is worth more than that it has ended
                self.capture.__exit__(type(error), error, error.__traceback__)
            raise
        self._end()

    def _begin(self) -> None:
        self.graphs.append(torch.cuda.CUDAGraph())
        # thread_local: the loader's thread may allocate and copy meanwhile.
        self.capture = torch.cuda.graph(self.graphs[-1], pool=self.pool, capture_error_mode="thread_local")
        self.capture.__enter__()

    def _end(self) -> None:
        self.capture.__exit__(None, None, None)
        self.program.append(self.graphs[-1].replay)

    def _leave_out(self, update: Update, drawn: Drawn) -> Outcome:
        """End this graph, and begin another after the update; what was drawn lies where each replay draws it anew."""
        self._end()

        def between() -> None:
            self.apart.update(update(drawn).figures)

        self.program.append(between)
        self._begin()
        return Outcome({}, {})
