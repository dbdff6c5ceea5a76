"""What an iteration of a phase takes and returns, and what a wrapper around it must offer (capture/ has one)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from cartoon_dist.models.generator import GeneratorOutput
from cartoon_dist.tensors import Batch, Scalar


class StepOutput(NamedTuple):
    """What an iteration computes beside the new weights: figures to log, still on the device, and the weights of the
    generator's loss terms, of which one that changes (Eq 12) lies on the device too."""

    figures: dict[str, Tensor]
    term_weights: dict[str, float | Scalar]


class StepLog(NamedTuple):
    """What is reported of an iteration: figures on the device, and the term weights as numbers."""

    figures: dict[str, Tensor]
    term_weights: dict[str, float]


Generated = Sequence[tuple[Batch, GeneratorOutput]]
"""The parts of a batch, each with what G made of it."""
Update = Callable[[Generated], StepOutput]
EagerUpdate = Callable[[Update, Generated], StepOutput]
"""Runs an update of another network than G: at once, or left out of G's graph and run between its parts."""
Phase = Callable[[Batch, EagerUpdate], StepOutput]
"""An iteration of one phase, from a batch of bytes on the device."""


class WrappedPhase(Protocol):
    """A phase behind a wrapper that may hold resources, such as a recorded graph."""

    def __call__(self, batch: Batch) -> StepOutput:
        """One iteration."""
        ...

    def release(self) -> None:
        """Give the resources back; a later call begins again without them."""
        ...


WrapPhase = Callable[[str, Phase], WrappedPhase]
"""Puts a wrapper around the phase of that name."""


def run_update(update: Update, generated: Generated) -> StepOutput:
    """The update at once."""
    return update(generated)
