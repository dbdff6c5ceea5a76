"""A recorded step on a GPU: CUDA graphs. Written by the rules of torch's notes on them; docs/gpu.md says what of it has
been run."""

from collections.abc import Callable

import torch
from torch import Tensor

from cartoon_dist.gpu.graphs import Graphs
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
        self.plain_stream: torch.cuda.Stream | None = None
        self.graphs = Graphs()
        self.program: list[Callable[[], None]] = []
        self.eager_figures: dict[str, Tensor] = {}

    def run_eagerly(self, step: Callable[[], StepOutput]) -> StepOutput:
        """The step on a side stream: what libraries set up there at first use may not happen within a recording."""
        here = torch.cuda.current_stream()
        # Not the one of recordings: what autograd holds from one step to the next stays on its stream.
        side = self.plain_stream = self.plain_stream or torch.cuda.Stream()
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
        try:
            with self.graphs.recording():
                output = step(run_update if whole else self._leave_out)
                names = list(output.figures)
                # One tensor, so that one copy hands all figures out before the next replay writes over them.
                figures = torch.stack([figure.detach().double() for figure in output.figures.values()])
        finally:
            self.abandon()
        self.program.append(self.graphs.graphs[-1].replay)
        program, eager_figures, weights = self.program, self.eager_figures, output.term_weights

        def replay() -> StepOutput:
            for part in program:
                part()
            recorded: dict[str, Tensor] = dict(zip(names, figures.clone().unbind(), strict=True))
            return StepOutput(recorded | eager_figures, weights)

        return replay

    def release(self) -> None:
        """Give the graphs and their memory back."""
        self.graphs.release()
        self.program, self.eager_figures = [], {}

    def _leave_out(self, update: Update, generated: Generated) -> StepOutput:
        """End this graph, and begin another after the update; what G made lies where each replay makes it anew."""
        self.graphs.end()

        def between() -> None:
            self.eager_figures.update(update(generated).figures)

        self.program += [self.graphs.graphs[-1].replay, between]
        self.graphs.begin()
        return StepOutput({}, {})
