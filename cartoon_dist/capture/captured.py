"""A step of training as a graph: recorded once, then replayed, with the signature of the step that it wraps.

What a recording freezes decides the rules of the code that is recorded: every tensor keeps its place in memory
(weights, moments, the batch, the numbers that change), nothing is read back from the device, nothing depends on a
tensor's value but by arithmetic. `--check-capture` (checks.py) finds out whether a config's step keeps them.
"""

from collections.abc import Callable
from typing import Protocol

import torch

from cartoon_dist.capture.cuda_graph import CudaGraphRecorder
from cartoon_dist.capture.fault import describe_fault
from cartoon_dist.capture.replay import ReplayRecorder
from cartoon_dist.config.train import CaptureSettings
from cartoon_dist.console.messages import print_message
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import TrainingError
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.phase import EagerUpdate, Phase, StepOutput, WrapPhase, run_update
from cartoon_dist.train.state import TrainState


class Recorder(Protocol):
    """A way to record a step and replay it.

    Recording trains nothing: what it changed, it puts back. Figures that a replay returns are the caller's own.
    """

    def run_eagerly(self, step: Callable[[], StepOutput]) -> StepOutput:
        """A step that is not recorded, run so that one can be after it."""
        ...

    def record(self, step: Callable[[EagerUpdate], StepOutput], *, whole: bool) -> Callable[[], StepOutput]:
        """The step's replay. whole: updates that are not G's are recorded too; otherwise the replay runs them plain,
        between what comes before and after them."""
        ...

    def release(self) -> None:
        """Give the graphs back; before the process group ends."""
        ...


def capture_phases(engine: Engine, state: TrainState, settings: CaptureSettings) -> WrapPhase | None:
    """What records each phase of a training step as a graph and replays it; None with capture.mode=none."""
    if settings.mode == "none":
        return None

    def wrap(name: str, phase: Phase) -> Captured:
        return Captured(phase, name=name, state=state, settings=settings, recorder=recorder(engine, state))

    return wrap


def recorder(engine: Engine, state: TrainState) -> Recorder:
    """CUDA graphs on a GPU; elsewhere the replay that proves what they would do."""
    return CudaGraphRecorder(engine.abandon) if engine.device.type == "cuda" else ReplayRecorder(state, engine.abandon)


class Captured:
    """A step that runs plain a few times, is recorded, and from then on is replayed.

    The plain steps are training steps like all others: libraries choose their kernels in them, optimizers make their
    moments. It is recorded anew when the state's tensors were replaced (a checkpoint was loaded, the moments were
    forgotten). All processes replay, or none does: where one cannot record, all go on plain, which is said once;
    with `capture.require` it is a TrainingError instead.
    """

    def __init__(
        self, step: Phase, *, name: str, state: TrainState, settings: CaptureSettings, recorder: Recorder
    ) -> None:
        self.step = step
        self.name = name
        self.state = state
        self.settings = settings
        self.recorder = recorder
        self.refused = ""
        self.num_plain, self.generation = 0, state.generation
        self.inputs: Batch | None = None
        self.replay: Callable[[], StepOutput] | None = None

    def __call__(self, batch: Batch) -> StepOutput:
        """One step from a batch on the device. TrainingError for a batch of another kind than the one recorded."""
        if self.refused:
            return self.step(batch, run_update)
        if self.generation != self.state.generation:
            self.release()
        if self.num_plain < self.settings.warmup_steps:
            self.num_plain += 1
            return self.recorder.run_eagerly(lambda: self.step(batch, run_update))
        if self.replay is None:
            self.refused = self._record(Batch(*(side.clone() for side in batch)))
            if self.refused:
                return self.step(batch, run_update)
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
            self.replay = self.recorder.record(lambda eager_update: self.step(inputs, eager_update), whole=whole)
        except Exception as error:  # noqa: BLE001  whatever it was, the plain step goes on without it
            reason = describe_fault(error)
        reasons = collectives.all_gather(reason)
        failed = [f"process {rank}: {why}" if len(reasons) > 1 else why for rank, why in enumerate(reasons) if why]
        if not failed:
            return ""
        if self.settings.require:
            raise TrainingError(f"capture.require: the {self.name} step cannot be captured: {failed[0]}")
        print_message(f"warning: the {self.name} step cannot be captured and runs plain: {failed[0]}")
        self.release()
        return failed[0]


def _fill(inputs: Batch, batch: Batch) -> None:
    """Copy a batch into the memory that the recorded step reads."""
    for name, recorded, new in zip(Batch._fields, inputs, batch, strict=True):
        if _layout(recorded) != _layout(new):
            raise TrainingError(
                f"capture: batch.{name} is {_layout(new)}, and {_layout(recorded)} in the recorded step; all batches "
                "must be of one kind, or set capture.mode=none"
            )
        recorded.copy_(new, non_blocking=True)


def _layout(side: torch.Tensor) -> str:
    return f"{str(side.dtype).removeprefix('torch.')} {tuple(side.shape)} with strides {side.stride()}"
