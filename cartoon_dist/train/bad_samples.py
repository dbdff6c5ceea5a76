"""Damaged samples that were replaced by others: named once, counted over all processes, tolerated up to a limit."""

from collections.abc import Sequence

from cartoon_dist.console.messages import print_message
from cartoon_dist.data.load.loader import DamagedSample
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ShardError

NAMED = 3
"""How many samples the last error names; the log has named them all."""


class BadSamples:
    """The damaged samples of this run since its process began; the same on all processes after `agree`."""

    def __init__(self, *, max_damaged: int) -> None:
        self.max_damaged = max_damaged
        self.known: dict[tuple[str, int], str] = {}
        self.unreported: dict[tuple[str, int], str] = {}

    def note(self, damaged: Sequence[DamagedSample]) -> None:
        """Remember samples that this process has met; those that all know of already are nothing new."""
        for domain, index, what in damaged:
            if (domain, index) not in self.known:
                self.unreported[domain, index] = what

    def agree(self) -> None:
        """Tell the other processes; rank 0 names what is new. Waits for all of them.

        ShardError on all when more samples than max_damaged are damaged.
        """
        new = {key: what for part in collectives.all_gather(self.unreported) for key, what in part.items()}
        self.unreported = {}
        for key in sorted(new.keys() - self.known.keys()):
            self.known[key] = new[key]
            if self.max_damaged:
                print_message(f"warning: {new[key]}; another sample stands in for it")
        if len(self.known) > self.max_damaged:
            last = list(self.known.values())[-NAMED:]
            more = f" and {len(self.known) - len(last)} more" if len(self.known) > len(last) else ""
            raise ShardError(
                f"{len(self.known)} damaged samples are more than data.max_damaged={self.max_damaged}: "
                f"{'; '.join(last)}{more}"
            )
