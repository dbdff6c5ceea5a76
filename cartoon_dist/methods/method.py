"""The interface between a method and the training loop: its networks, and the losses of one step of each.

A method is plain functions over plain networks, so it can be used without this trainer; a new one is a new file and a
config.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import Batch, Scalar

Networks = Mapping[str, nn.Module]


class LossTerm(NamedTuple):
    """One summand of a loss, before its weight."""

    value: Scalar
    weight: float | Scalar


class Losses(NamedTuple):
    """The terms that a network's step minimises, and further figures for the log."""

    terms: dict[str, LossTerm]
    figures: dict[str, Scalar]

    def total(self) -> Tensor:
        """The weighted sum (Eq 11's share of this network)."""
        weighted = [term.value * term.weight for term in self.terms.values()]
        return sum(weighted[1:], weighted[0])


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of the trainer.

    networks: the trained ones by name; `generator` makes the cartoons and alone is trained in the warm-up.
    order: the networks in the order in which an iteration updates them.
    generate: the generator's forward, computed once an iteration and shared by all steps; generate_warmup: the same
    before the GAN phase.
    warmup_losses: the generator's losses before the GAN phase.
    losses: each network's losses as a function of the networks, the batch, the shared generator output and the content
    weight (Eq 12).
    before_update: called with a network once before each of its updates in the GAN phase, however many parts the batch
    is split into; works in place, as the step may be recorded.
    begin_step: called with the step's number before each step: random values of a step are a function of it.
    """

    networks: dict[str, nn.Module]
    order: tuple[str, ...]
    generate: Callable[[Networks, Batch], GeneratorOutput]
    generate_warmup: Callable[[Networks, Batch], GeneratorOutput]
    warmup_losses: Callable[[Batch, GeneratorOutput], Losses]
    losses: dict[str, Callable[[Networks, Batch, GeneratorOutput, float | Scalar], Losses]]
    before_update: dict[str, Callable[[nn.Module], None]] = field(default_factory=dict)
    begin_step: Callable[[int], None] = lambda _step: None
