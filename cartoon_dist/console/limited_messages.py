"""Messages of one kind, of which there may be thousands: the first ones in full, then how many more, and why."""

from collections import Counter

from cartoon_dist.console.messages import print_message

_NUM_SHOWN = 20
_NUM_REASONS_SHOWN = 5


class LimitedMessages:
    """Prints lines on standard error until there are too many; `print_summary` counts the others."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._reasons: Counter[str] = Counter()

    def print(self, line: str, reason: str) -> None:
        """Print a line now, or only count its reason."""
        self._reasons[reason] += 1
        if self._reasons.total() <= _NUM_SHOWN:
            print_message(line)

    def print_summary(self) -> None:
        """Print how many there were and why, if not all were printed."""
        if self._reasons.total() > _NUM_SHOWN:
            mostly = "; ".join(f"{times} x {reason}" for reason, times in self._reasons.most_common(_NUM_REASONS_SHOWN))
            print_message(f"{self._kind}: {self._reasons.total()}, mostly: {mostly}")
