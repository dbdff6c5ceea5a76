"""Training steps from given batches, with a gather inside of what is recorded."""

from collections.abc import Callable, Sequence

from cartoon_dist.capture.captured import capture_phases
from cartoon_dist.tensors import Batch
from cartoon_dist.train.keeping import Kept
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.phase import WrapPhase
from tests.capture.capturing import run_step


def trained(made: TrainingStep, batches: Sequence[Batch], num_warmup: int) -> TrainingStep:
    """Steps of the warm-up and of the GAN from these batches."""
    with made:
        for number, batch in enumerate(batches):
            if number == num_warmup:
                made.engine.reset_optimizers()
            run_step(made, number, phase="warmup" if number < num_warmup else "gan", given=batch)
    return made


def recording(kept: Kept) -> Callable[..., WrapPhase | None]:
    """`capture_phases`, with the gather inside of what it records, as commands/train.py wires it."""
    return lambda *given: kept.wrap(capture_phases(*given))
