"""What a method is to the loop: its networks, and the losses of one step of each.

A method is plain functions over plain networks, so it can be lifted out and used alone; a new one is a new file and a
config.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from cartoon_dist.models.generator import Drawing
from cartoon_dist.tensors import Batch, Scalar

Networks = Mapping[str, nn.Module]


class Term(NamedTuple):
    """One summand of a loss, before its weight."""

    value: Scalar
    weight: float | Scalar


class Losses(NamedTuple):
    """The terms that a network's step minimises, and figures worth logging beside them."""

    terms: dict[str, Term]
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
    draw: the generator's forward, computed once an iteration and shared by all steps.
    warmup: the generator's losses before the GAN phase.
    losses: each network's losses, given the networks, the batch, the shared drawing and the content weight (Eq 12).
    before: what is to be done to a network once before each of its updates in the GAN phase, however many parts the
    batch comes in; in place, as the step may be recorded.
    begin: is told the number of each step before it: what is drawn anew in each is a function of that.
    """

    networks: dict[str, nn.Module]
    order: tuple[str, ...]
    draw: Callable[[Networks, Batch], Drawing]
    draw_warmup: Callable[[Networks, Batch], Drawing]
    warmup: Callable[[Batch, Drawing], Losses]
    losses: dict[str, Callable[[Networks, Batch, Drawing, float | Scalar], Losses]]
    before: dict[str, Callable[[nn.Module], None]] = field(default_factory=dict)
    begin: Callable[[int], None] = lambda _step: None
