"""One iteration of a method, for tests that compare it with a slow version."""

from cartoon_dist.methods.method import Method
from cartoon_dist.tensors import Batch, to_bytes
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.phase import StepOutput
from cartoon_dist.train.state import TrainState


def as_bytes(batch: Batch) -> Batch:
    """Pictures in [-1, 1] as the bytes that a shard holds."""
    return Batch(*(to_bytes(side) for side in batch))


def gan_step(
    method: Method, engine: Engine, state: TrainState, batch: Batch, content_weight: float, *, num_parts: int = 1
) -> StepOutput:
    """An iteration of the GAN phase from a batch of bytes."""
    step = TrainingStep(method=method, engine=engine, state=state, num_parts=num_parts)
    step.scalars.set(content_weight=content_weight, ema_share=0.25)
    return step.gan(batch)


def warmup_step(method: Method, engine: Engine, state: TrainState, batch: Batch, *, num_parts: int = 1) -> StepOutput:
    """An iteration of the warm-up from a batch of bytes."""
    return TrainingStep(method=method, engine=engine, state=state, num_parts=num_parts).warmup(batch)
