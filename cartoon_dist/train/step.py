"""One step of training, of either phase: what the loop calls, and what is recorded as a graph."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cartoon_dist.methods.method import Losses, Method, Networks
from cartoon_dist.models.generator import Drawing
from cartoon_dist.tensors import Batch, Scalar
from cartoon_dist.train.engine import Engine


class Outcome(NamedTuple):
    """What a step tells: its figures, still on the device, and the weights of the generator's loss terms, of which one
    that changes (Eq 12) lies there too."""

    figures: dict[str, Tensor]
    weights: dict[str, float | Scalar]


Drawn = list[tuple[Batch, Drawing]]
"""The parts of a batch, each with what G drew of it."""
Update = Callable[[Drawn], Outcome]
Apart = Callable[[Update, Drawn], Outcome]
"""Does an update that is not G's; a recorder of G's step leaves it out of its graph."""


def at_once(update: Update, drawn: Drawn) -> Outcome:
    """The update where it stands."""
    return update(drawn)


def warmup(method: Method, engine: Engine, batch: Batch, *, num_parts: int = 1) -> Outcome:
    """A step before the GAN phase: the generator alone."""

    def losses(networks: Networks, part: Batch) -> Losses:
        return method.warmup(part, method.draw_warmup(networks, part))

    return learn(engine, "generator", losses, [(part,) for part in batch.split(num_parts)])


def iterate(
    method: Method,
    engine: Engine,
    batch: Batch,
    content_weight: float | Scalar,
    *,
    num_parts: int = 1,
    apart: Apart = at_once,
) -> Outcome:
    """A step of the GAN phase: G draws, then each network learns from what it drew, in the method's order.

    G draws once. Where a batch comes in several parts it draws without keeping anything for the backward, and each part
    once more when G learns from it: a forward more, and the memory of one part.
    """
    parts = batch.split(num_parts)
    with engine.training("generator") as networks, torch.set_grad_enabled(num_parts == 1):
        drawn = [(part, method.draw(networks, part)) for part in parts]
    outcome = Outcome({}, {})
    for name in method.order:
        losses = partial(_losses, method=method, name=name, content_weight=content_weight)
        update = partial(learn, engine, name, losses, before=method.before.get(name))
        learned = at_once(update, drawn) if name == "generator" else apart(update, drawn)
        weights = learned.weights if name == "generator" else outcome.weights
        outcome = Outcome(outcome.figures | learned.figures, weights)
    return outcome


def learn(
    engine: Engine,
    name: str,
    losses: Callable[..., Losses],
    parts: Sequence[tuple[Any, ...]],
    *,
    before: Callable[[nn.Module], None] | None = None,
) -> Outcome:
    """One update of a network from its losses of each part of the batch: their mean is minimised, their figures'
    means are told. before: what the method does to the network first."""
    told: list[dict[str, Tensor]] = []
    if before is not None:
        before(engine.state.networks[name])
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        with engine.training(name, last=last) as networks:
            found = losses(networks, *part)
        told.append(_figures(found))
        figures = engine.learn(name, found.total() / len(parts), last=last)
    means = {key: torch.stack([figures[key] for figures in told]).mean(dim=0) for key in told[0]}
    return Outcome(means | figures, {key: term.weight for key, term in found.terms.items()})


def _losses(
    networks: Networks, part: Batch, drawing: Drawing, *, method: Method, name: str, content_weight: float | Scalar
) -> Losses:
    if name == "generator" and not drawing.generated.requires_grad:
        drawing = method.draw(networks, part)
    return method.losses[name](networks, part, drawing, content_weight)


def _figures(losses: Losses) -> dict[str, Tensor]:
    return {f"loss/{name}": term.value.detach() for name, term in losses.terms.items()} | losses.figures
