"""What the heartbeat sends: a connection from each process to process 0, over which both say that they are there.

A process sends a dot now and then, and an `L` when it leaves. Process 0 sends lines of JSON: whom it misses and for how
many seconds, or that it leaves itself.
"""

import json
import selectors
import socket
import time
from contextlib import suppress
from typing import NamedTuple

from cartoon_dist.distributed import collectives, rendezvous

SUSPECT_SECONDS = 6.0
"""Silence that explains a failed collective; a closed connection explains it at once."""
_LINE_BYTES = 1 << 20
"""More than process 0 ever says in a line."""


def meet() -> tuple["Hub | Spoke", list[str]]:
    """Connect all processes to process 0: this process's end, and the host of each.

    Waits for all of them; LostProcessError, naming the missing, when they do not come.
    """
    wires, hosts = rendezvous.connect()
    return Hub(wires) if collectives.rank() == 0 else Spoke(wires[0]), hosts


class Hub:
    """Process 0's end of all connections."""

    def __init__(self, wires: dict[int, socket.socket]) -> None:
        now = time.monotonic()
        self.heard = dict.fromkeys(wires, now)
        self.closed: set[int] = set()
        self.wires = selectors.DefaultSelector()
        for rank, wire in wires.items():
            wire.settimeout(0.0)
            self.wires.register(wire, selectors.EVENT_READ, rank)

    def exchange(self, seconds: float) -> dict[int, float]:
        """Listen for so long, then tell the others; who is missed, with the seconds since it was last heard."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for key, _ in self.wires.select(left):
                self._hear(key)
            if not self.wires.get_map():
                time.sleep(max(0.0, end - time.monotonic()))
        now = time.monotonic()
        ages = {rank: now - heard for rank, heard in self.heard.items()}
        missed = {rank: age for rank, age in ages.items() if age > SUSPECT_SECONDS or rank in self.closed}
        self._tell({"missed": missed})
        return missed

    def leave(self) -> None:
        """Tell the others that this process needs no missing, and close."""
        self._tell({"left": True})
        for key in [*self.wires.get_map().values()]:
            key.fileobj.close()  # type: ignore[union-attr]  # a socket, as registered

    def _hear(self, key: selectors.SelectorKey) -> None:
        said = _received(key.fileobj)  # type: ignore[arg-type]
        if said and b"L" not in said:
            self.heard[key.data] = time.monotonic()
            return
        self.wires.unregister(key.fileobj)
        if said:
            del self.heard[key.data]
        else:
            self.closed.add(key.data)

    def _tell(self, news: object) -> None:
        line = json.dumps(news).encode() + b"\n"
        for key in self.wires.get_map().values():
            with suppress(OSError):  # one that is stopped or gone: it will be missed
                key.fileobj.send(line)  # type: ignore[union-attr]


class Told(NamedTuple):
    """Whom process 0 missed when it last spoke, and when that was."""

    missed: dict[int, float]
    when: float


class Spoke:
    """Another process's end of its connection to process 0."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.told = Told({}, time.monotonic())
        self.begun = b""
        self.closed = self.left = False

    def exchange(self, seconds: float) -> dict[int, float]:
        """Say that this process is there and listen for so long; who is missed, with the seconds since it was last
        heard.

        Whom process 0 missed before it went itself comes before it: it may have gone because of that one.
        """
        end = time.monotonic() + seconds
        with suppress(OSError):
            self.wire.send(b".")
        while (left := end - time.monotonic()) > 0:
            if self.closed or self.left:
                time.sleep(left)
                continue
            self.wire.settimeout(left)
            self._hear()
        since = time.monotonic() - self.told.when
        if self.told.missed:
            return {rank: age + since for rank, age in self.told.missed.items() if rank != collectives.rank()}
        return {0: since} if (self.closed or since > SUSPECT_SECONDS) and not self.left else {}

    def leave(self) -> None:
        """Tell process 0 that this process needs no missing, and close."""
        with suppress(OSError):
            self.wire.settimeout(SUSPECT_SECONDS)
            self.wire.sendall(b"L")
        self.wire.close()

    def _hear(self) -> None:
        try:
            said = self.wire.recv(4096)
        except TimeoutError:
            return
        except OSError:
            said = b""
        if not said:
            self.closed = True
            return
        *lines, self.begun = (self.begun + said)[-_LINE_BYTES:].split(b"\n")
        for line in lines:
            with suppress(ValueError):  # the rest of a line that found no room while this process was stopped
                news = json.loads(line)
                self.left = news.get("left", False)
                self.told = Told({int(rank): age for rank, age in news.get("missed", {}).items()}, time.monotonic())


def _received(wire: socket.socket) -> bytes:
    try:
        return wire.recv(4096)
    except BlockingIOError:
        return b"."
    except OSError:
        return b""
