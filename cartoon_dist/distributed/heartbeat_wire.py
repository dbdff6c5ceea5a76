"""The heartbeat's wire protocol: each process has a connection to process 0, over which both send heartbeats.

A process sends a dot as its heartbeat, and an `L` when it ends normally. Process 0 sends lines of JSON: which processes
are missing and for how many seconds, or that it ends normally itself.

Who ends normally closes a connection only when the other end has read so and has closed its own, or after some seconds:
a connection closed with unread bytes is reset, and a reset drops what was written last and not yet sent.
"""

import json
import selectors
import socket
import time
from contextlib import suppress
from typing import NamedTuple

from cartoon_dist.distributed import collectives, rendezvous

SUSPECT_SECONDS = 6.0
"""After so much silence a process is suspected when a collective fails; after a closed connection, at once."""
_MAX_LINE_BYTES = 1 << 20
"""More than process 0 ever sends in a line."""


def connect_processes() -> tuple["HeartbeatServer | HeartbeatClient", list[str]]:
    """Connect all processes to process 0: this process's end of the connections, and the host of each process.

    Waits for all of them; LostProcessError, naming the missing ones, when they do not connect.
    """
    connections, hosts = rendezvous.connect()
    return HeartbeatServer(connections) if collectives.rank() == 0 else HeartbeatClient(connections[0]), hosts


class HeartbeatServer:
    """Process 0's end of all connections."""

    def __init__(self, connections: dict[int, socket.socket]) -> None:
        now = time.monotonic()
        self.last_heard = dict.fromkeys(connections, now)
        self.closed: set[int] = set()
        self.connections = selectors.DefaultSelector()
        for rank, connection in connections.items():
            connection.settimeout(0.0)
            self.connections.register(connection, selectors.EVENT_READ, rank)

    def exchange(self, seconds: float) -> dict[int, float]:
        """Listen for so long, then tell the others; the missing processes and the seconds since each was heard."""
        end = time.monotonic() + seconds
        self._listen(end)
        time.sleep(max(0.0, end - time.monotonic()))  # where nobody is left to listen to
        now = time.monotonic()
        ages = {rank: now - heard for rank, heard in self.last_heard.items()}
        missed = {rank: age for rank, age in ages.items() if age > SUSPECT_SECONDS or rank in self.closed}
        self._send({"missed": missed})
        return missed

    def close(self) -> None:
        """Tell the others that this process ends normally, and close the connections when they have read it."""
        self._send({"left": True})
        self._listen(time.monotonic() + SUSPECT_SECONDS)
        for key in self.connections.get_map().values():
            _socket(key).close()

    def _listen(self, end: float) -> None:
        """Read what comes until then, or until all have closed their connections."""
        while self.connections.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in self.connections.select(left):
                self._read(key)

    def _read(self, key: selectors.SelectorKey) -> None:
        received = _receive(_socket(key))
        if received and b"L" not in received:
            self.last_heard[key.data] = time.monotonic()
            return
        self.connections.unregister(key.fileobj)
        _socket(key).close()
        if received:
            del self.last_heard[key.data]
        else:
            self.closed.add(key.data)

    def _send(self, message: object) -> None:
        line = json.dumps(message).encode() + b"\n"
        for key in self.connections.get_map().values():
            with suppress(OSError):  # one that is stopped or gone: it will be reported as missing
                _socket(key).send(line)


class MissedReport(NamedTuple):
    """The processes that were missing in process 0's last message, and when it arrived."""

    missed: dict[int, float]
    received_at: float


class HeartbeatClient:
    """Another process's end of its connection to process 0."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.report = MissedReport({}, time.monotonic())
        self.partial_line = b""
        self.closed = self.left = False

    def exchange(self, seconds: float) -> dict[int, float]:
        """Send a heartbeat and listen for so long; the missing processes, with the seconds since each was last heard.

        When process 0 has gone, processes that it reported as missing come first: they may be the reason.
        """
        end = time.monotonic() + seconds
        with suppress(OSError):
            self.connection.send(b".")
        while (left := end - time.monotonic()) > 0:
            if self.closed or self.left:
                time.sleep(left)
                continue
            self.connection.settimeout(left)
            self._read()
        since = time.monotonic() - self.report.received_at
        if self.report.missed:
            return {rank: age + since for rank, age in self.report.missed.items() if rank != collectives.rank()}
        return {0: since} if (self.closed or since > SUSPECT_SECONDS) and not self.left else {}

    def close(self) -> None:
        """Tell process 0 that this process ends normally, and close the connection when it has read it."""
        end = time.monotonic() + SUSPECT_SECONDS
        with suppress(OSError):
            self.connection.settimeout(SUSPECT_SECONDS)
            self.connection.sendall(b"L")
            while self.connection.recv(4096) and time.monotonic() < end:
                pass
        self.connection.close()

    def _read(self) -> None:
        try:
            received = self.connection.recv(4096)
        except TimeoutError:
            return
        except OSError:
            received = b""
        if not received:
            self.closed = True
            return
        *lines, self.partial_line = (self.partial_line + received)[-_MAX_LINE_BYTES:].split(b"\n")
        for line in lines:
            with suppress(ValueError):  # the rest of a line that did not fit the buffer while this process was stopped
                message = json.loads(line)
                if message.get("left", False):
                    self.left = True
                    self.connection.close()  # process 0 waits for it
                self.report = MissedReport(
                    {int(rank): age for rank, age in message.get("missed", {}).items()}, time.monotonic()
                )


def _socket(key: selectors.SelectorKey) -> socket.socket:
    """The connection, as it was registered."""
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except BlockingIOError:
        return b"."
    except OSError:
        return b""
