"""The training loop, for any method: `train` is one run, `TrainingStep` what one iteration does to the networks.

Read from top to bottom it is the whole algorithm: read a batch, let G generate once, D's losses and update (Eq 8), G's
losses and update (Eqs 7, 9 and 10, weighted as in Eq 11), average, report, save. What the losses are, the method says
(`methods/cartoongan.py`); devices, precision and processes are the engine's (`engine.py`). A graph of a step
(`capture/`) wraps `TrainingStep` from outside and is not needed to read it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from cartoon_dist.errors import ShardError
from cartoon_dist.methods.method import Losses, Method, Networks
from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.profiling import span
from cartoon_dist.tensors import Batch
from cartoon_dist.train.check_replicas import require_equal_replicas
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.phase import EagerUpdate, StepLog, StepOutput, WrappedPhase, WrapPhase, run_update
from cartoon_dist.train.preempt import StopRequest
from cartoon_dist.train.schedule import Schedule
from cartoon_dist.train.state import TrainState, update_ema
from cartoon_dist.train.step_scalars import StepScalars


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop calls between two iterations; each gets the number of iterations done."""

    report: Callable[[int, StepLog], None]
    save: Callable[[int], None]
    draw_samples: Callable[[int], None]


def train(
    *, step: "TrainingStep", schedule: Schedule, batches: Iterator[Batch], hooks: Hooks, stop: StopRequest
) -> str:
    """Train from state.step to the schedule's end; the reason for stopping early, or an empty string."""
    engine, state, settings = step.engine, step.state, schedule.settings
    while state.step < schedule.total_steps:
        # Read: the next batch, unless some process was asked to stop or could not read its share.
        try:
            batch = next_batch(batches, stop)
        except ShardError:
            hooks.save(state.step)  # the error is raised on all processes: with the shard repaired, the run goes on
            raise
        if batch is None:
            hooks.save(state.step)
            return stop.reason
        batch = engine.to_device(batch)

        # The position alone decides the phase of this iteration, its learning rates and its weights (Eq 12).
        index = state.step
        if index == schedule.warmup_steps:
            engine.reset_optimizers()
        engine.set_learning_rates(schedule.learning_rates(index))
        step.scalars.set(content_weight=schedule.content_weight(index), ema_share=schedule.ema_share(index))
        step.method.begin_step(index)

        # Learn: `TrainingStep.warmup` or `TrainingStep.gan`, below.
        log = step(schedule.phase(index), batch)
        state.step = index + 1
        if state.step % settings.compare_every == 0:
            require_equal_replicas(state)

        # Report, draw samples, save: each at its own interval, and at the end.
        finished = state.step == schedule.total_steps
        hooks.report(state.step, log)
        if finished or state.step % settings.sample_every == 0:
            hooks.draw_samples(state.step)
        if finished or state.step % settings.checkpoint.every == 0:
            hooks.save(state.step)
    return ""


def next_batch(batches: Iterator[Batch], stop: StopRequest) -> Batch | None:
    """The next batch of bytes, or None when the processes agree to stop; ShardError on all of them when one cannot
    read."""
    batch, failure = None, ""
    try:
        batch = next(batches)
    except ShardError as error:
        failure = str(error)
    return None if stop.agreed(failure) else batch


class TrainingStep:
    """What one iteration of each phase does to the state: every network of the phase is updated once, then the running
    average of G.

    `scalars` are to be set before each iteration. num_parts: the batch is computed in so many parts, one after the
    other, for less memory. wrap: puts a wrapper of the same signature around each phase; None runs them as they are.
    What a wrapper holds is released when its phase has passed, and at the end (`with`).
    """

    def __init__(
        self, *, method: Method, engine: Engine, state: TrainState, num_parts: int = 1, wrap: WrapPhase | None = None
    ) -> None:
        self.method = method
        self.engine = engine
        self.state = state
        self.scalars = StepScalars(engine.device, engine.dtype)
        self.num_parts = num_parts
        self.phases: dict[str, Callable[[Batch], StepOutput]] = {"warmup": self.warmup, "gan": self.gan}
        self.wrapped: dict[str, WrappedPhase] = {}
        if wrap is not None:
            self.wrapped = {"warmup": wrap("warmup", self.warmup), "gan": wrap("gan", self.gan)}

    def __call__(self, phase: str, batch: Batch) -> StepLog:
        """One iteration of the phase from a batch of bytes on the device, with the scalars as they are set."""
        for name, wrapped in self.wrapped.items():
            if name != phase:
                wrapped.release()
        output = (self.wrapped or self.phases)[phase](batch)
        weights = {name: self.scalars.as_float(weight) for name, weight in output.term_weights.items()}
        return StepLog(output.figures, weights)

    def gan(self, batch: Batch, eager_update: EagerUpdate = run_update) -> StepOutput:
        """An iteration of the GAN phase."""
        method, engine = self.method, self.engine
        parts = engine.to_float(batch).split(self.num_parts)

        # Generate once: G and S over the photos, shared by both updates. Of several parts nothing is kept for the
        # backward here, and G generates each again when it learns: one forward more, for the memory of one part.
        with span("G forward"), engine.training("generator") as networks, torch.set_grad_enabled(self.num_parts == 1):
            generated = [(part, method.generate(networks, part)) for part in parts]

        # D's losses and update (Eq 8), then G's losses and update (Eq 11), each network in the method's order.
        output = StepOutput({}, {})
        for name in method.order:
            update = partial(self._update, name, self._losses_of(name), prepare=method.before_update.get(name))
            learned = update(generated) if name == "generator" else eager_update(update, generated)
            weights = learned.term_weights if name == "generator" else output.term_weights
            output = StepOutput(output.figures | learned.figures, weights)

        # Average: the generator that samples are drawn with and checkpoints are scored by.
        self._average()
        return output

    def warmup(self, batch: Batch, eager_update: EagerUpdate = run_update) -> StepOutput:  # noqa: ARG002
        """An iteration before the GAN phase: G alone learns to repeat the photo, S its label."""
        method, engine = self.method, self.engine

        def losses(networks: Networks, part: Batch) -> Losses:
            return method.warmup_losses(part, method.generate_warmup(networks, part))

        parts = engine.to_float(batch).split(self.num_parts)
        output = self._update("generator", losses, [(part,) for part in parts])
        self._average()
        return output

    def _losses_of(self, name: str) -> Callable[[Networks, Batch, GeneratorOutput], Losses]:
        """The network's losses in the GAN phase, at the content weight of this iteration (Eq 12)."""

        def losses(networks: Networks, part: Batch, output: GeneratorOutput) -> Losses:
            if name == "generator" and not output.generated.requires_grad:  # of several parts, see `gan`
                output = self.method.generate(networks, part)
            return self.method.losses[name](networks, part, output, self.scalars.content_weight)

        return losses

    def _update(
        self,
        name: str,
        losses_of: Callable[..., Losses],
        parts: Sequence[tuple[Any, ...]],
        *,
        prepare: Callable[[torch.nn.Module], None] | None = None,
    ) -> StepOutput:
        """One update of a network: the mean of its losses over the parts of the batch is minimised, and the means of
        their figures are returned. prepare: what the method does to the network first."""
        engine = self.engine
        if prepare is not None:
            prepare(self.state.networks[name])
        figures: list[dict[str, Tensor]] = []
        for index, part in enumerate(parts, start=1):
            last = index == len(parts)
            with span(f"{name} losses"), engine.training(name, last=last) as networks:
                losses = losses_of(networks, *part)
            figures.append(_figures(losses))
            with span(f"{name} backward"):
                engine.backward(name, losses.total() / len(parts), last=last)
        with span(f"{name} optimizer"):  # gradients averaged over the processes, clipped; optimizer.step()
            of_optimizer = engine.optimizer_step(name)
        means = {key: torch.stack([each[key] for each in figures]).mean(dim=0) for key in figures[0]}
        return StepOutput(means | of_optimizer, {key: term.weight for key, term in losses.terms.items()})

    def _average(self) -> None:
        with span("EMA"):
            update_ema(self.state.ema, self.state.networks["generator"], self.scalars.ema_share)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wrapped in self.wrapped.values():
            wrapped.release()


def _figures(losses: Losses) -> dict[str, Tensor]:
    return {f"loss/{name}": term.value.detach() for name, term in losses.terms.items()} | losses.figures
