"""The loop, for any method: read it from top to bottom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from cartoon_dist.errors import ShardError
from cartoon_dist.methods.method import Losses, Method
from cartoon_dist.tensors import Batch
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.preempt import StopRequest
from cartoon_dist.train.schedule import Schedule
from cartoon_dist.train.state import TrainState, update_ema


class Outcome(NamedTuple):
    """What a step leaves to report: its figures, still on the device, and the weights of the generator's loss terms."""

    figures: dict[str, Tensor]
    weights: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop calls between steps; each gets the number of steps done."""

    report: Callable[[int, Outcome], None]
    save: Callable[[int], None]
    draw: Callable[[int], None]


def train(
    *,
    method: Method,
    engine: Engine,
    state: TrainState,
    schedule: Schedule,
    batches: Iterator[Batch],
    hooks: Hooks,
    stop: StopRequest,
) -> str:
    """Train from state.step to the schedule's end; the reason for stopping early, or an empty string."""
    settings = schedule.settings
    while state.step < schedule.total_steps:
        # The next batch, unless some process was asked to stop or could not read its share.
        try:
            held = fetch(batches, stop)
        except ShardError:
            hooks.save(state.step)  # on all processes, as the error is: mended, the run goes on from here
            raise
        if held is None:
            hooks.save(state.step)
            return stop.reason
        batch = engine.batch(held)

        # The position alone says what kind of step this is and how large its rates and weights are.
        step = state.step
        if step == schedule.warmup_steps:
            engine.forget_moments()
        engine.set_learning_rates(schedule.learning_rates(step))
        weight = schedule.content_weight(step)

        # One iteration: every network of the method is updated once.
        outcome = warmup(method, engine, batch) if schedule.is_warmup(step) else iterate(method, engine, batch, weight)
        update_ema(state.ema, state.networks["generator"], decay=settings.ema, updates=step)
        state.step = step + 1

        # Report, draw, save: each at its own interval, and at the end.
        finished = state.step == schedule.total_steps
        hooks.report(state.step, outcome)
        if finished or state.step % settings.sample_every == 0:
            hooks.draw(state.step)
        if finished or state.step % settings.checkpoint.every == 0:
            hooks.save(state.step)
    return ""


def fetch(batches: Iterator[Batch], stop: StopRequest) -> Batch | None:
    """The next batch of bytes, or None when the processes agree to stop; ShardError on all of them when one cannot
    read."""
    held, failure = None, ""
    try:
        held = next(batches)
    except ShardError as error:
        failure = str(error)
    return None if stop.agreed(failure) else held


def warmup(method: Method, engine: Engine, batch: Batch) -> Outcome:
    """A step before the GAN phase: the generator alone."""
    with engine.training("generator") as networks:
        losses = method.warmup(batch, method.draw_warmup(networks, batch))
    engine.update("generator", losses.total())
    return Outcome(_figures(losses), _weights(losses))


def iterate(method: Method, engine: Engine, batch: Batch, content_weight: float) -> Outcome:
    """A step of the GAN phase: G draws once, then each network learns from what it drew, in the method's order."""
    with engine.training("generator") as networks:
        drawing = method.draw(networks, batch)
    outcome = Outcome({}, {})
    for name in method.order:
        with engine.training(name) as networks:
            losses = method.losses[name](networks, batch, drawing, content_weight)
        engine.update(name, losses.total())
        outcome = Outcome(
            outcome.figures | _figures(losses), _weights(losses) if name == "generator" else outcome.weights
        )
    return outcome


def _figures(losses: Losses) -> dict[str, Tensor]:
    return {f"loss/{name}": term.value for name, term in losses.terms.items()} | losses.figures


def _weights(losses: Losses) -> dict[str, float]:
    return {name: float(term.weight) for name, term in losses.terms.items()}
