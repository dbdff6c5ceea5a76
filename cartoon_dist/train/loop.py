"""The loop, for any method: read it from top to bottom."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cartoon_dist.errors import ShardError
from cartoon_dist.methods.method import Losses, Method, Networks
from cartoon_dist.models.generator import Drawing
from cartoon_dist.tensors import Batch
from cartoon_dist.train.agreement import require_equal
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
        if schedule.is_warmup(step):
            outcome = warmup(method, engine, batch, num_parts=settings.accumulate)
        else:
            outcome = iterate(method, engine, batch, weight, num_parts=settings.accumulate)
        update_ema(state.ema, state.networks["generator"], decay=settings.ema, updates=step)
        state.step = step + 1
        if state.step % settings.compare_every == 0:
            require_equal(state)

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


def warmup(method: Method, engine: Engine, batch: Batch, *, num_parts: int = 1) -> Outcome:
    """A step before the GAN phase: the generator alone."""

    def losses(networks: Networks, part: Batch) -> Losses:
        return method.warmup(part, method.draw_warmup(networks, part))

    return learn(engine, "generator", losses, [(part,) for part in batch.split(num_parts)])


def iterate(method: Method, engine: Engine, batch: Batch, content_weight: float, *, num_parts: int = 1) -> Outcome:
    """A step of the GAN phase: G draws, then each network learns from what it drew, in the method's order.

    G draws once. Where a batch comes in several parts it draws without keeping anything for the backward, and each part
    once more when G learns from it: a forward more, and the memory of one part.
    """
    parts = batch.split(num_parts)
    with engine.training("generator") as networks, torch.set_grad_enabled(num_parts == 1):
        drawings = [method.draw(networks, part) for part in parts]
    outcome = Outcome({}, {})
    for name in method.order:
        losses = partial(_losses, method=method, name=name, content_weight=content_weight)
        learned = learn(engine, name, losses, list(zip(parts, drawings, strict=True)))
        outcome = Outcome(
            outcome.figures | learned.figures, learned.weights if name == "generator" else outcome.weights
        )
    return outcome


def learn(engine: Engine, name: str, losses: Callable[..., Losses], parts: Sequence[tuple[Any, ...]]) -> Outcome:
    """One update of a network from its losses of each part of the batch: their mean is minimised, their figures'
    means are told."""
    told: list[dict[str, Tensor]] = []
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        with engine.training(name, last=last) as networks:
            found = losses(networks, *part)
        told.append(_figures(found))
        figures = engine.learn(name, found.total() / len(parts), last=last)
    means = {key: torch.stack([figures[key] for figures in told]).mean(dim=0) for key in told[0]}
    return Outcome(means | figures, _weights(found))


def _losses(
    networks: Networks, part: Batch, drawing: Drawing, *, method: Method, name: str, content_weight: float
) -> Losses:
    if name == "generator" and not drawing.generated.requires_grad:
        drawing = method.draw(networks, part)
    return method.losses[name](networks, part, drawing, content_weight)


def _figures(losses: Losses) -> dict[str, Tensor]:
    return {f"loss/{name}": term.value.detach() for name, term in losses.terms.items()} | losses.figures


def _weights(losses: Losses) -> dict[str, float]:
    return {name: float(term.weight) for name, term in losses.terms.items()}
