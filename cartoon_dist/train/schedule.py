"""Where in the run a step stands, and what depends on it: everything is derived from the position, nothing
accumulated."""

import math
from dataclasses import dataclass

from cartoon_dist.config.train import TrainSettings
from cartoon_dist.losses.content import content_weight

PAPER_BATCH = 4
"""The batch that the learning rates of the configs are written for."""


def learning_rate_scale(settings: TrainSettings) -> float:
    """By what `scale_lr` multiplies every learning rate: with the batch or with its root, as seen from the paper's."""
    ratio = settings.batch_size / PAPER_BATCH
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[settings.scale_lr]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The run's positions. A step is counted from 0; an epoch of the GAN phase is a pass over the cartoons, of the
    warm-up over the photos."""

    settings: TrainSettings
    num_photos: int
    num_cartoons: int

    @property
    def warmup_steps(self) -> int:
        """Steps before the GAN phase."""
        warmup = self.settings.warmup
        return warmup.steps if warmup.steps is not None else self._steps(warmup.epochs * self.num_photos)

    @property
    def planned_steps(self) -> int:
        """Steps of both phases by their epochs, unless `max_steps` ends them before."""
        return self.warmup_steps + self._steps(self.settings.epochs * self.num_cartoons)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run, both phases."""
        return min(self.planned_steps, self.settings.max_steps or self.planned_steps)

    def to_prolong(self) -> str:
        """What ends the run, and which setting prolongs it."""
        epochs, limit = f"epochs={self.settings.epochs:g}", self.settings.max_steps
        if limit is None or limit > self.planned_steps:
            beside = "" if limit is None else f", and max_steps={limit} can only end it before"
            return f"{epochs} makes {self.planned_steps} steps{beside}: raise epochs to go on"
        if limit < self.planned_steps:
            return f"max_steps={limit} ends it, {epochs} makes {self.planned_steps} steps: raise max_steps to go on"
        return f"{epochs} makes {self.planned_steps} steps, and max_steps={limit}: raise both to go on"

    def is_warmup(self, step: int) -> bool:
        """Whether the step belongs to the warm-up."""
        return step < self.warmup_steps

    def phase(self, step: int) -> str:
        """The phase's name, as it is logged."""
        return "warmup" if self.is_warmup(step) else "gan"

    def images(self, step: int) -> int:
        """Photos seen before the step."""
        return step * self.settings.batch_size

    def epoch(self, step: int) -> int:
        """Passes completed before the step: over the photos in the warm-up, over the cartoons in the GAN phase."""
        if self.is_warmup(step):
            return self.images(step) // self.num_photos
        return self.images(step - self.warmup_steps) // self.num_cartoons

    def content_weight(self, step: int) -> float:
        """Eq 12 at the step."""
        content = self.settings.loss.content
        return content_weight(epoch=self.epoch(step), initial=content.weight, decay=content.decay, every=content.every)

    def ema_share(self, step: int) -> float:
        """How much of the step's weights goes into the running average: 1 - min(ema, (1 + step) / (10 + step)); young
        averages forget fast."""
        return 1.0 - min(self.settings.ema, (1 + step) / (10 + step))

    def learning_rates(self, step: int) -> dict[str, float]:
        """Each network's learning rate; in the warm-up the generator's alone."""
        scale = learning_rate_scale(self.settings)
        if self.is_warmup(step):
            return {"generator": self.settings.warmup.learning_rate * scale}
        optimizer = self.settings.optimizer
        passed = sum(self.epoch(step) >= milestone for milestone in optimizer.milestones)
        factor = optimizer.factor**passed * scale
        return {"generator": optimizer.generator * factor, "discriminator": optimizer.discriminator * factor}

    def _steps(self, images: float) -> int:
        return math.ceil(images / self.settings.batch_size)
