"""Which checkpoints of a run are kept: the last few, one every so many steps, and the one with the best score."""

from collections.abc import Callable, Iterable

from cartoon_dist.config.train import CheckpointSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder

BestStep = Callable[[list[int]], int | None]
"""The step with the best score, of the given steps; None where none has a score."""


def removable_steps(
    steps: Iterable[int], settings: CheckpointSettings, *, best: int | None, is_intact: Callable[[int], bool]
) -> list[int]:
    """The steps whose checkpoints may be removed, in order.

    All older than the last `keep` intact ones are removed, except for multiples of `keep_every` and the best. Damaged
    ones do not count, so that the newest intact one is always kept. `is_intact` is called for as few steps as possible.
    """
    num_intact = 0
    newest_first = sorted(steps, reverse=True)
    for count, step in enumerate(newest_first, 1):
        num_intact += is_intact(step)
        if num_intact == settings.keep:
            kept = {best, *(old for old in newest_first if settings.keep_every and old % settings.keep_every == 0)}
            return sorted(set(newest_first[count:]) - kept)
    return []


def prune(run: RunFolder, settings: CheckpointSettings, *, best: BestStep, intact: set[int]) -> None:
    """Remove the checkpoints of a run that are not kept; CheckpointError when one cannot be removed or the
    scores cannot be read.

    intact: steps whose checkpoints are known to be intact; results are added, so that each checkpoint is read once.
    """

    def is_intact(step: int) -> bool:
        if step not in intact and checkpoint.integrity_error(run.checkpoint(step)) is None:
            intact.add(step)
        return step in intact

    all_steps = checkpoint.steps(run)
    for step in removable_steps(all_steps, settings, best=best(all_steps), is_intact=is_intact):
        try:
            checkpoint.remove(run.checkpoint(step))
        except OSError as error:
            raise CheckpointError(f"{run.checkpoint(step)}: cannot be removed ({error.strerror})") from None
