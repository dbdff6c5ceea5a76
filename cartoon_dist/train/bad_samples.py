"""Damaged samples that others stand in for: named once, counted over all processes, borne up to a limit."""

from collections.abc import Sequence

from cartoon_dist.console.messages import say
from cartoon_dist.data.load.loader import Damaged
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ShardError

NAMED = 3
"""How many samples the last error names; the log has named them all."""


class Damage:
    """The damaged samples of this run since its process began; the same on all processes after `agree`."""

    def __init__(self, *, max_damaged: int) -> None:
        self.max_damaged = max_damaged
        self.met: dict[tuple[str, int], str] = {}
        self.unsaid: dict[tuple[str, int], str] = {}

    def note(self, damaged: Sequence[Damaged]) -> None:
        """Remember samples that this process has met; those that all know of already are nothing new."""
        for domain, number, what in damaged:
            if (domain, number) not in self.met:
                self.unsaid[domain, number] = what

    def agree(self) -> None:
        """Tell the other processes; rank 0 names what is new. Waits for all of them.

        ShardError on all when more samples than max_damaged are damaged.
        """
        new = {key: what for part in collectives.gather(self.unsaid) for key, what in part.items()}
        self.unsaid = {}
        for key in sorted(new.keys() - self.met.keys()):
            self.met[key] = new[key]
            if self.max_damaged:
                say(f"warning: {new[key]}; another sample stands in for it")
        if len(self.met) > self.max_damaged:
            last = list(self.met.values())[-NAMED:]
            more = f" and {len(self.met) - len(last)} more" if len(self.met) > len(last) else ""
            raise ShardError(
                f"{len(self.met)} damaged samples are more than data.max_damaged={self.max_damaged}: "
                f"{'; '.join(last)}{more}"
            )
