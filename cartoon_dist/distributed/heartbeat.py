"""Detects lost processes of a run; without it, the others would wait for a lost one for ever.

A thread of each process sends a heartbeat every second over a connection to process 0, which tells the others which
processes are missing. Collectives notice a broken connection at best; that to a stopped process or to a node without
power stays open until their time limit, half an hour. (torch's TCPStore was tried: its client waits for ever when the
process that holds the store is stopped.)
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from cartoon_dist.distributed import collectives
from cartoon_dist.distributed.heartbeat_wire import HeartbeatClient, HeartbeatServer, connect_processes
from cartoon_dist.errors import LostProcessError

INTERVAL_SECONDS = 1.0
_DIAGNOSIS_SECONDS = 20.0
"""How long to look for the lost process after a collective has failed."""


class Heartbeat:
    """Watches the processes of a group from its construction, which waits for all of them, until the block ends.

    silence_seconds: how long a process may send no heartbeat before it counts as lost. on_loss: called then with the
    error that names the process, from the heartbeat's thread, as the main thread may be waiting for the lost process.
    """

    def __init__(self, *, silence_seconds: float, on_loss: Callable[[LostProcessError], None]) -> None:
        self.silence_seconds = silence_seconds
        self.on_loss = on_loss
        self.missed: dict[int, float] = {}
        self._closing = threading.Event()
        if collectives.world_size() == 1:
            return
        self._connection: HeartbeatServer | HeartbeatClient
        self._connection, self.hosts = connect_processes()
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if collectives.world_size() > 1 and error is None:  # after an error the others shall notice the loss
            self._thread.join()
            self._connection.close()

    def find_lost(self) -> LostProcessError | None:
        """The error that names the lost process, after a collective has failed; looks for some seconds."""
        end = time.monotonic() + _DIAGNOSIS_SECONDS
        while collectives.world_size() > 1 and self._thread.is_alive() and time.monotonic() < end:
            if self.missed:
                return self._error(self.missed)
            self._closing.wait(INTERVAL_SECONDS / 4)
        return None

    def _watch(self) -> None:
        while not self._closing.is_set():
            self.missed = self._connection.exchange(INTERVAL_SECONDS)
            lost = {rank: age for rank, age in self.missed.items() if age > self.silence_seconds}
            if lost and not self._closing.is_set():
                self.on_loss(self._error(lost))
                return

    def _error(self, missed: dict[int, float]) -> LostProcessError:
        if collectives.rank() == 0:
            time.sleep(2 * INTERVAL_SECONDS)  # tell the others before this process ends itself
        rank, seconds = max(missed.items(), key=lambda item: item[1])
        return LostProcessError(
            f"process {rank} on {self.hosts[rank]} has gone or does not answer, last heard {seconds:.0f} s ago; "
            "see its own last lines, then run the same command again to go on from the last checkpoint",
            rank=rank,
        )


@contextmanager
def monitor(silence_seconds: float, on_loss: Callable[[LostProcessError], None]) -> Iterator[None]:
    """Watch the other processes of the group in this block: when one is lost, LostProcessError replaces the error of
    the collective that failed."""
    with Heartbeat(silence_seconds=silence_seconds, on_loss=on_loss) as heartbeat:
        try:
            yield
        except RuntimeError:  # what torch raises when a connection breaks
            lost = heartbeat.find_lost()
            if lost is None:
                raise
            raise lost from None
