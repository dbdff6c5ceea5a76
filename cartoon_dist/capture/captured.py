"""A step of training as a graph: recorded once, then replayed, with the signature of the step that it wraps.

What a recording freezes decides the rules of the code that is recorded: every tensor keeps its place in memory
(weights, moments, the batch, the numbers that change), nothing is read back from the device, nothing depends on a
tensor's value but by arithmetic. `--check-capture` (checks.py) finds out whether a config's step keeps them.
"""

from collections.abc import Callable
from typing import Protocol

import torch

from cartoon_dist.capture.cuda_graph import CudaGraphs
from cartoon_dist.capture.fault import in_words
from cartoon_dist.capture.replay import Replay
from cartoon_dist.config.train import CaptureSettings
from cartoon_dist.console.messages import say
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import TrainingError
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.state import TrainState
from cartoon_dist.train.step import Apart, Outcome, at_once

Step = Callable[[Batch, Apart], Outcome]


class Recorder(Protocol):
    """A way to record a step and replay it.

    Recording trains nothing: what it changed, it puts back. Figures that a replay returns are the caller's own.
    """

    def eager(self, step: Callable[[], Outcome]) -> Outcome:
        """A step that is not recorded, run so that one can be after it."""
        ...

    def record(self, step: Callable[[Apart], Outcome], *, whole: bool) -> Callable[[], Outcome]:
        """The step's replay. whole: updates that are not G's are recorded too; otherwise the replay runs them plain,
        between what comes before and after them."""
        ...

    def release(self) -> None:
        """Give the graphs back; before the process group ends."""
        ...


def recorder(engine: Engine, state: TrainState) -> Recorder:
    """CUDA graphs on a GPU; elsewhere the replay that proves what they would do."""
    return CudaGraphs(engine.abandon) if engine.device.type == "cuda" else Replay(state, engine.abandon)


class Captured:
    """A step that runs plain a few times, is recorded, and from then on is replayed.

    The plain steps are training steps like all others: libraries choose their kernels in them, optimizers make their
    moments. It is recorded anew when the state's tensors were replaced (a checkpoint was loaded, the moments were
    forgotten). All processes replay, or none does: where one cannot record, all go on plain, which is said once;
    with `capture.require` it is a TrainingError instead.
    """

    def __init__(
        self, step: Step, *, name: str, state: TrainState, settings: CaptureSettings, recorder: Recorder
    ) -> None:
        self.step = step
        self.name = name
        self.state = state
        self.settings = settings
        self.recorder = recorder
        self.refused = ""
        self.num_plain, self.generation = 0, state.generation
        self.inputs: Batch | None = None
        self.replay: Callable[[], Outcome] | None = None

    def __call__(self, batch: Batch) -> Outcome:
        """One step from a batch on the device. TrainingError for a batch of another kind than the one recorded."""
        if self.refused:
            return self.step(batch, at_once)
        if self.generation != self.state.generation:
            self.release()
        if self.num_plain < self.settings.warmup_steps:
            self.num_plain += 1
            return self.recorder.eager(lambda: self.step(batch, at_once))
        if self.replay is None:
            self.refused = self._record(Batch(*(side.clone() for side in batch)))
            if self.refused:
                return self.step(batch, at_once)
        assert self.replay is not None
        assert self.inputs is not None
        _fill(self.inputs, batch)
        return self.replay()

    def release(self) -> None:
        """Give the graph back, and begin again with plain steps."""
        self.inputs = self.replay = None
        self.recorder.release()
        self.num_plain, self.generation = 0, self.state.generation

    def _record(self, inputs: Batch) -> str:
        """Record the step on all processes, to be replayed on `inputs`; why it cannot be, or an empty string."""
        reason, self.inputs = "", inputs
        try:
            whole = self.settings.mode == "iteration"
            self.replay = self.recorder.record(lambda apart: self.step(inputs, apart), whole=whole)
        except Exception as error:  # noqa: BLE001  whatever it was, the plain step goes on without it
            reason = in_words(error)
        reasons = collectives.gather(reason)
        failed = [f"process {rank}: {why}" if len(reasons) > 1 else why for rank, why in enumerate(reasons) if why]
        if not failed:
            return ""
        if self.settings.require:
            raise TrainingError(f"capture.require: the {self.name} step cannot be captured: {failed[0]}")
        say(f"warning: the {self.name} step cannot be captured and runs plain: {failed[0]}")
        self.release()
        return failed[0]


def _fill(inputs: Batch, batch: Batch) -> None:
    """Copy a batch into the memory that the recorded step reads."""
    for name, held, given in zip(Batch._fields, inputs, batch, strict=True):
        if _kind(held) != _kind(given):
            raise TrainingError(
                f"capture: batch.{name} is {_kind(given)}, and {_kind(held)} in the recorded step; all batches must be "
                "of one kind, or set capture.mode=none"
            )
        held.copy_(given, non_blocking=True)


def _kind(side: torch.Tensor) -> str:
    return f"{str(side.dtype).removeprefix('torch.')} {tuple(side.shape)} with strides {side.stride()}"
