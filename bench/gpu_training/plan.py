"""How many images fit into the minutes, and a row's own schedule squeezed or stretched to as many.

A config plans its phases for the paper's counts: 6,659 photos, 2,000 cartoons. The share of the warm-up, the places of
the milestones and how far the content weight falls are kept; what changes is how many images there are.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from cartoon_dist.config.train import TrainSettings

PAPER_PHOTOS, PAPER_CARTOONS = 6659, 2000
PLANNED_SHARE = 0.95
"""The schedule is made for so much of the measured speed, as a long run also writes checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A config's schedule without its length. milestones and every: as shares of the GAN phase."""

    warmup_share: float
    milestones: tuple[float, ...]
    decay: float
    every: float


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a probe has measured: images a second of both phases, and the seconds that a training takes beside its
    steps. level: which of the ways to start a training it was (starts.py)."""

    warmup: float
    gan: float
    start_seconds: float
    level: int = 0

    def seconds(self, images: float, *, warmup_share: float) -> float:
        """Of so many images, both phases."""
        return images * self.seconds_an_image(warmup_share)

    def seconds_an_image(self, warmup_share: float) -> float:
        """The mean over both phases."""
        return (warmup_share / self.warmup + (1 - warmup_share) / self.gan) / PLANNED_SHARE


def shape_of(settings: TrainSettings) -> Shape:
    """The schedule that the settings plan at the paper's counts."""
    batch, warmup = settings.batch_size, settings.warmup
    warmup_images = warmup.steps * batch if warmup.steps is not None else warmup.epochs * PAPER_PHOTOS
    gan_images = settings.epochs * PAPER_CARTOONS
    if settings.max_steps is not None:
        gan_images = min(gan_images, max(batch, settings.max_steps * batch - warmup_images))
    epochs = gan_images / PAPER_CARTOONS
    return Shape(
        warmup_share=warmup_images / (warmup_images + gan_images),
        milestones=tuple(milestone / epochs for milestone in settings.optimizer.milestones),
        decay=settings.loss.content.decay,
        every=settings.loss.content.every / epochs,
    )


def schedule_words(shape: Shape, *, images: int, batch_size: int, num_cartoons: int) -> list[str]:
    """The settings of a training of so many images."""
    steps = max(2, images // batch_size)
    warmup_steps = min(steps - 1, round(steps * shape.warmup_share))
    epochs = (steps - warmup_steps) * batch_size / num_cartoons
    milestones = sorted({max(1, round(place * epochs)) for place in shape.milestones if place < 1})
    every = max(1, round(shape.every * epochs))
    # The weight falls as far over the phase as planned, if perhaps in fewer steps of an epoch or more.
    decay = shape.decay ** (every / (shape.every * epochs))
    return [
        f"max_steps={steps}",
        f"epochs={math.ceil(epochs) + 1}",
        f"warmup.steps={warmup_steps}",
        f"optimizer.milestones=[{','.join(map(str, milestones))}]",
        f"loss.content.every={every}",
        f"loss.content.decay={decay:.8f}",
    ]


def read_rates(rows: Iterable[Mapping[str, Any]], *, total_seconds: float, level: int) -> Rates:
    """The speeds in a probe's records, and what is left of its seconds for the start.

    The first record of each phase is left out where there are more, as libraries choose kernels and the step is
    recorded in it. ValueError where a phase was not reached or a loss is no number.
    """
    speeds: dict[str, list[float]] = {"warmup": [], "gan": []}
    images: dict[str, int] = {"warmup": 0, "gan": 0}
    for row in rows:
        bad = [name for name, value in row.items() if name.startswith("loss/") and not _is_finite(value)]
        if bad:
            raise ValueError(f"{bad[0]} is no number after step {row['step']}")
        speeds[row["phase"]].append(float(row["images_per_second"]))
        images[row["phase"]] = row["images"]
    if missing := [phase for phase, of in speeds.items() if not of]:
        raise ValueError(f"the probe ended before a record of the phase {missing[0]}")
    warmup, gan = (median(of[1:] or of) for of in speeds.values())
    stepped = images["warmup"] / warmup + (images["gan"] - images["warmup"]) / gan
    return Rates(warmup=warmup, gan=gan, start_seconds=max(1.0, total_seconds - stepped), level=level)


def images_that_fit(rows: Sequence[tuple[Shape, Rates]], *, seconds: float, finish_seconds: float) -> int:
    """How many images each of the rows gets when all get as many: trainings, their starts, and what follows each of
    them (finish_seconds) fit into the seconds. 0 where not even the starts fit."""
    fixed = sum(rates.start_seconds + finish_seconds for _, rates in rows)
    an_image = sum(rates.seconds_an_image(shape.warmup_share) for shape, rates in rows)
    return max(0, int((seconds - fixed) / an_image))


def rounded(images: int, batch_size: int) -> int:
    """Down to whole batches."""
    return images // batch_size * batch_size


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
