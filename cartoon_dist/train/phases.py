"""The two phases of a run, each with its kind of step: plain, or recorded and replayed."""

from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import NamedTuple

from torch import Tensor

from cartoon_dist.capture.captured import Captured, recorder
from cartoon_dist.config.train import CaptureSettings
from cartoon_dist.methods.method import Method
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.state import TrainState, update_ema
from cartoon_dist.train.step import Apart, Outcome, at_once, iterate, warmup
from cartoon_dist.train.step_scalars import Knobs


class Told(NamedTuple):
    """What a step leaves to report: its figures, still on the device, and the weights of the generator's loss terms."""

    figures: dict[str, Tensor]
    weights: dict[str, float]


class Phases:
    """What a step of each phase does to the state: every network of the phase is updated once, then the running
    average. `knobs` are to be turned before each. What of a step is recorded as a graph, `capture.mode` says; a graph
    is given back when the phase has passed, and at the end (`with`)."""

    def __init__(
        self, *, method: Method, engine: Engine, state: TrainState, capture: CaptureSettings, num_parts: int = 1
    ) -> None:
        self.method = method
        self.engine = engine
        self.state = state
        self.knobs = Knobs(engine.device, engine.dtype)
        self.num_parts = num_parts
        self.kinds: dict[str, Callable[[Batch], Outcome]] = {"warmup": self.warmup, "gan": self.gan}
        self.captured: dict[str, Captured] = {}
        if capture.mode != "none":
            self._capture(capture)

    def __call__(self, phase: str, batch: Batch) -> Told:
        """One step of the phase from a batch of bytes on the device, with the knobs as they are turned."""
        for name, captured in self.captured.items():
            if name != phase:
                captured.release()
        outcome = self.kinds[phase](batch)
        return Told(outcome.figures, {name: self.knobs.on_host(held) for name, held in outcome.weights.items()})

    def warmup(self, batch: Batch, apart: Apart = at_once) -> Outcome:  # noqa: ARG002
        """G alone."""
        outcome = warmup(self.method, self.engine, self.engine.numbers(batch), num_parts=self.num_parts)
        update_ema(self.state.ema, self.state.networks["generator"], self.knobs.ema_share)
        return outcome

    def gan(self, batch: Batch, apart: Apart = at_once) -> Outcome:
        """All networks of the method; `apart` does the updates that are not G's."""
        numbers, weight = self.engine.numbers(batch), self.knobs.content_weight
        outcome = iterate(self.method, self.engine, numbers, weight, num_parts=self.num_parts, apart=apart)
        update_ema(self.state.ema, self.state.networks["generator"], self.knobs.ema_share)
        return outcome

    def __enter__(self) -> "Phases":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for captured in self.captured.values():
            captured.release()

    def _capture(self, settings: CaptureSettings) -> None:
        wrap = partial(Captured, state=self.state, settings=settings)
        for name, step in (("warmup", self.warmup), ("gan", self.gan)):
            captured = wrap(step, name=name, recorder=recorder(self.engine, self.state))
            self.captured[name] = self.kinds[name] = captured
