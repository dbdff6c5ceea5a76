"""Being asked to stop: a flag that a signal or the clock sets and the loop reads between two steps."""

import os
import signal
import time
from types import FrameType

from cartoon_dist.console.signals import STOP_SIGNALS
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ShardError
from cartoon_dist.train.bad_samples import BadSamples

MAX_HOURS = "the time limit max_hours was reached"
"""The reason when the user's own limit ended the run: it is not to be started again by itself."""
_DAMAGED, _ASKED, _FAILED = 1, 2, 3


class StopRequest:
    """Set by one of STOP_SIGNALS or when `max_hours` have passed; all processes agree on it at a step's end, and
    on the damaged samples that any of them has met."""

    def __init__(self, *, max_hours: float | None, bad_samples: BadSamples) -> None:
        self.reason = ""
        self.bad_samples = bad_samples
        self.deadline = time.monotonic() + max_hours * 3600 if max_hours else None
        self.owner = os.getpid()
        for signal_number in STOP_SIGNALS:
            signal.signal(signal_number, self._on_signal)

    def agreed(self, failure: str) -> bool:
        """Whether any process was asked to stop; ShardError on all processes when any of them brings a failure to read,
        or when they have met too many damaged samples.

        Waits for the others, so that all of them leave at the same step.
        """
        if not self.reason and self.deadline is not None and time.monotonic() > self.deadline:
            self.reason = MAX_HOURS
        own = _FAILED if failure else _ASKED if self.reason else _DAMAGED if self.bad_samples.unreported else 0
        urgency = collectives.all_reduce_max(own)
        if urgency == _FAILED:
            raise ShardError("; ".join(sorted({str(said) for said in collectives.all_gather(failure) if said})))
        if urgency == _DAMAGED:
            self.bad_samples.agree()
        if urgency == _ASKED:
            # One reason for all, as what follows depends on it: that of the lowest rank that was asked.
            self.reason = next(said for said in collectives.all_gather(self.reason) if said)
        return urgency == _ASKED

    def _on_signal(self, signal_number: int, _frame: FrameType | None) -> None:
        if os.getpid() == self.owner:  # a loader worker inherits this handler with the fork, and is not asked
            self.reason = f"signal {signal.Signals(signal_number).name}"
