"""Whether all processes of a run are still there: without it, one that has gone leaves the others waiting for ever.

Each process says every second that it is alive, from a thread and over a connection to process 0, which tells the
others whom it misses. Collectives notice a broken connection at best; that to a stopped process or to a node without
power stays whole until their time limit, half an hour. (torch's TCPStore was tried: its client waits for ever when the
process that keeps the store is stopped.)
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from cartoon_dist.distributed import collectives
from cartoon_dist.distributed.heartbeat_wire import Hub, Spoke, meet
from cartoon_dist.errors import LostProcessError

BEAT_SECONDS = 1.0
_LOOK_SECONDS = 20.0
"""How long a failed collective may take to find out who has gone."""


class Presence:
    """Watches the processes of a group from its construction, which waits for all of them, until it is left.

    silence_seconds: how long one may be silent before it is given up. on_loss: called then, from the watching thread
    and with the error that names the process, as the main thread may wait for the lost one and never hear of it.
    """

    def __init__(self, *, silence_seconds: float, on_loss: Callable[[LostProcessError], None]) -> None:
        self.silence_seconds = silence_seconds
        self.on_loss = on_loss
        self.missed: dict[int, float] = {}
        self._closing = threading.Event()
        if collectives.world_size() == 1:
            return
        self._wire: Hub | Spoke
        self._wire, self.hosts = meet()
        self._thread = threading.Thread(target=self._watch, name="presence", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Presence":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if collectives.world_size() > 1 and error is None:  # after an error the others are to miss this process
            self._thread.join()
            self._wire.leave()

    def lost(self) -> LostProcessError | None:
        """The error that names who has gone, after a collective has failed; looks for some seconds."""
        end = time.monotonic() + _LOOK_SECONDS
        while collectives.world_size() > 1 and self._thread.is_alive() and time.monotonic() < end:
            if self.missed:
                return self._name(self.missed)
            self._closing.wait(BEAT_SECONDS / 4)
        return None

    def _watch(self) -> None:
        while not self._closing.is_set():
            self.missed = self._wire.exchange(BEAT_SECONDS)
            given_up = {rank: age for rank, age in self.missed.items() if age > self.silence_seconds}
            if given_up and not self._closing.is_set():
                self.on_loss(self._name(given_up))
                return

    def _name(self, missed: dict[int, float]) -> LostProcessError:
        if collectives.rank() == 0:
            time.sleep(2 * BEAT_SECONDS)  # the others are to hear it before this process goes, and is missed itself
        rank, seconds = max(missed.items(), key=lambda item: item[1])
        return LostProcessError(
            f"process {rank} on {self.hosts[rank]} has gone or does not answer, last heard {seconds:.0f} s ago; "
            "see its own last lines, then run the same command again to go on from the last checkpoint",
            rank=rank,
        )


@contextmanager
def together(silence_seconds: float, on_loss: Callable[[LostProcessError], None]) -> Iterator[None]:
    """Work with the other processes of the group: LostProcessError, in place of a collective's own words, when one has
    gone."""
    with Presence(silence_seconds=silence_seconds, on_loss=on_loss) as presence:
        try:
            yield
        except RuntimeError:  # what torch raises when a connection breaks
            lost = presence.lost()
            if lost is None:
                raise
            raise lost from None
