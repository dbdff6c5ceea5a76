"""Messages of one kind, of which there may be thousands: the first ones in full, then how many more, and why."""

from collections import Counter

from cartoon_dist.console.messages import say

_NUM_SHOWN = 20
_NUM_REASONS_SHOWN = 5


class FirstFew:
    """Says lines on standard error until there are too many; `end` sums the others up."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._reasons: Counter[str] = Counter()

    def say(self, line: str, reason: str) -> None:
        """Say a line now, or count it by its reason."""
        self._reasons[reason] += 1
        if self._reasons.total() <= _NUM_SHOWN:
            say(line)

    def end(self) -> None:
        """Say how many there were and why, if not all were said."""
        if self._reasons.total() > _NUM_SHOWN:
            mostly = "; ".join(f"{times} x {reason}" for reason, times in self._reasons.most_common(_NUM_REASONS_SHOWN))
            say(f"{self._kind}: {self._reasons.total()}, mostly: {mostly}")
