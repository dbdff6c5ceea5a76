"""The loop, for any method: read it from top to bottom."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cartoon_dist.errors import ShardError
from cartoon_dist.tensors import Batch
from cartoon_dist.train.check_replicas import require_equal
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.phases import Phases, Told
from cartoon_dist.train.preempt import StopRequest
from cartoon_dist.train.schedule import Schedule
from cartoon_dist.train.state import TrainState


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the loop calls between steps; each gets the number of steps done."""

    report: Callable[[int, Told], None]
    save: Callable[[int], None]
    draw: Callable[[int], None]


def train(
    *,
    phases: Phases,
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
        batch = engine.moved(held)

        # The position alone says what kind of step this is and how large its rates and weights are.
        step = state.step
        if step == schedule.warmup_steps:
            engine.forget_moments()
        engine.set_learning_rates(schedule.learning_rates(step))
        phases.knobs.turn(content_weight=schedule.content_weight(step), ema_share=schedule.ema_share(step))
        phases.method.begin(step)

        # One iteration: every network of the phase is updated once.
        outcome = phases(schedule.phase(step), batch)
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
