"""Which checkpoints of a run stay: the last few, every so many steps one, and the best by its score."""

from collections.abc import Callable, Iterable

from cartoon_dist.config.train import CheckpointSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder

Best = Callable[[list[int]], int | None]
"""Of these steps the one with the best score, or None where none has a score."""


def superfluous(
    steps: Iterable[int], settings: CheckpointSettings, *, best: int | None, is_whole: Callable[[int], bool]
) -> list[int]:
    """The steps whose checkpoints may go, in order.

    All that are older than the last `keep` whole ones go, but for multiples of `keep_every` and the best. A damaged one
    does not count, so that the newest whole one stays whatever lies after it. `is_whole` is asked of no more steps than
    that takes.
    """
    num_whole = 0
    newest_first = sorted(steps, reverse=True)
    for place, step in enumerate(newest_first, 1):
        num_whole += is_whole(step)
        if num_whole == settings.keep:
            kept = {best, *(old for old in newest_first if settings.keep_every and old % settings.keep_every == 0)}
            return sorted(set(newest_first[place:]) - kept)
    return []


def prune(run: RunFolder, settings: CheckpointSettings, *, best: Best, whole: set[int]) -> None:
    """Remove a run's superfluous checkpoints; CheckpointError when the scores cannot be read, or one cannot be removed.

    whole: steps whose checkpoints are known to be whole; what is found out here is added, so that each is read once.
    """

    def is_whole(step: int) -> bool:
        if step not in whole and checkpoint.damage(run.checkpoint(step)) is None:
            whole.add(step)
        return step in whole

    there = checkpoint.steps(run)
    for step in superfluous(there, settings, best=best(there), is_whole=is_whole):
        try:
            checkpoint.remove(run.checkpoint(step))
        except OSError as error:
            raise CheckpointError(f"{run.checkpoint(step)}: cannot be removed ({error.strerror})") from None
