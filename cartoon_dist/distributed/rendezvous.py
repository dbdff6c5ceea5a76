"""The rendezvous of a run's processes: each connects to process 0, which accepts no other connections.

Process 0 makes a random token and sends it to the others through the process group; a connection that does not send it
is closed and changes nothing. Connections that have not sent it yet are read side by side, and are limited in number,
in bytes and in time. Process 0 listens only where the others reach it: on the loopback for those of its own machine,
and on the address of MASTER_ADDR for those of other machines. Once all are connected it stops listening. (The token
is sent unencrypted, as is all that gloo sends: this keeps out only those who cannot read the traffic.)
"""

import hmac
import ipaddress
import os
import secrets
import selectors
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cartoon_dist.distributed import collectives
from cartoon_dist.errors import LostProcessError

RENDEZVOUS_SECONDS = 120.0
"""How long process 0 waits for the others, and they for it."""
HANDSHAKE_SECONDS = 5.0
"""How long a new connection may take to send the token and its rank."""
MAX_PENDING = 64
"""How many connections may be open before they have sent the token; the oldest is closed for one more."""
_TOKEN_BYTES = 32
_RANK_BYTES = 4
_ACCEPTED = b"+"
_LISTENER = "listener"
_LOOPBACK = "127.0.0.1"
_ALL_ADDRESSES = ""
_PAUSE_SECONDS = 0.05
_CONNECT_SECONDS = 20.0
_MAX_ADDRESSES = 8
_REMEDY = (
    "see its own last lines; where nodes do not reach one another by host name, set MASTER_ADDR (docs/cluster.md), "
    "then run the same command again"
)


class _ProcessInfo(NamedTuple):
    """What each process tells the others about itself; only process 0 has a token."""

    host: str
    machine: str
    token: bytes


def connect() -> tuple[dict[int, socket.socket], list[str]]:
    """Connect all processes to process 0: the connections of this process by rank, and the host of each process.

    Waits for all of them; LostProcessError, naming the missing ones, when they do not connect.
    """
    with collectives.explain_rendezvous_failure(RuntimeError):  # which gloo raises when one of them ends meanwhile
        return _connect()


def _connect() -> tuple[dict[int, socket.socket], list[str]]:
    rank = collectives.rank()
    token = secrets.token_bytes(_TOKEN_BYTES) if rank == 0 else b""
    processes = collectives.all_gather(_ProcessInfo(socket.gethostname(), _machine_id(), token))
    token, hosts = processes[0].token, [process.host for process in processes]
    own = candidate_addresses(processes[0].host, is_here=processes[rank].machine == processes[0].machine)
    wanted = collectives.all_gather(own)
    listeners = open_listeners(wanted[1:]) if rank == 0 else {}
    ports = collectives.all_gather({address: listener.getsockname()[1] for address, listener in listeners.items()})[0]
    if rank == 0:
        try:
            return accept_processes(listeners.values(), token, hosts), hosts
        finally:
            for listener in listeners.values():
                listener.close()
    endpoints = [(address, ports[address]) for address in own if address in ports]
    default = (os.environ.get("MASTER_ADDR") or hosts[0], ports.get(_ALL_ADDRESSES, 0))
    return {0: connect_to_main(endpoints or [default], handshake_message(token, rank), hosts[0])}, hosts


def handshake_message(token: bytes, rank: int) -> bytes:
    """What a process sends as soon as it is connected."""
    return token + rank.to_bytes(_RANK_BYTES, "big")


def candidate_addresses(host: str, *, is_here: bool) -> list[str]:
    """Addresses at which this process tries to reach process 0 on `host`: the loopback when it is this machine.

    Otherwise those of MASTER_ADDR or, where that has none, of the host's name, without loopbacks (a host's own name is
    127.0.1.1 on Debian), which others cannot reach. Empty when the names have no other address.
    """
    if is_here:
        return [_LOOPBACK]
    for name in (os.environ.get("MASTER_ADDR", ""), host):
        with suppress(OSError, UnicodeError):
            resolved = [str(entry[4][0]) for entry in socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM) if name]
            # An address with a scope (fe80::1%eth0) is valid on this machine only.
            unscoped = [address for address in dict.fromkeys(resolved) if "%" not in address]
            if reachable := [address for address in unscoped if not ipaddress.ip_address(address).is_loopback]:
                return reachable[:_MAX_ADDRESSES]
    return []


def open_listeners(wanted: Sequence[Sequence[str]]) -> dict[str, socket.socket]:
    """Listen on each address that another process will try and that belongs to this machine: the sockets by address.

    When a process can use none of them (it reaches this machine through a translated address), listen on all addresses
    too, under "".
    """
    listeners: dict[str, socket.socket] = {}
    for address in dict.fromkeys(address for each in wanted for address in each):
        with suppress(OSError):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listeners[address] = socket.create_server((address, 0), family=family, backlog=1024)
    if any(listeners.keys().isdisjoint(each) for each in wanted):
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        listeners[_ALL_ADDRESSES] = socket.create_server(("", 0), family=family, backlog=1024, dualstack_ipv6=both)
    return listeners


def accept_processes(
    listeners: Iterable[socket.socket], token: bytes, hosts: Sequence[str], seconds: float = RENDEZVOUS_SECONDS
) -> dict[int, socket.socket]:
    """The connections of all other processes by rank; a connection that does not send the token is closed.

    LostProcessError, naming the missing processes, after so many seconds.
    """
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as ready:
        acceptor = _Acceptor(ready, token, len(hosts))
        try:
            for listener in listeners:
                listener.settimeout(0.0)
                ready.register(listener, selectors.EVENT_READ, _LISTENER)
            while len(acceptor.joined) < len(hosts) - 1:
                left = end - time.monotonic()
                if left <= 0:
                    raise _missing_error(hosts, acceptor.joined, seconds)
                acceptor.serve(min(left, HANDSHAKE_SECONDS / 4))
        except BaseException:
            for connection in acceptor.joined.values():
                connection.close()
            raise
        finally:
            for connection in [*acceptor.pending]:
                acceptor.drop(connection)
    return acceptor.joined


def connect_to_main(
    endpoints: Sequence[tuple[str, int]], message: bytes, host: str, seconds: float = RENDEZVOUS_SECONDS
) -> socket.socket:
    """Connect to process 0 at one of the endpoints and send the message; again where the connection is closed, as may
    happen among many unknown ones. LostProcessError after so many seconds."""
    end, reason = time.monotonic() + seconds, "it hung up"
    while (left := end - time.monotonic()) > 0:
        for endpoint in endpoints:
            with suppress(OSError):
                connection = socket.create_connection(endpoint, timeout=min(left, _CONNECT_SECONDS))
                try:
                    # Not closed while it works: process 0 may have accepted it already.
                    connection.settimeout(max(_PAUSE_SECONDS, end - time.monotonic()))
                    connection.sendall(message)
                    if connection.recv(1) == _ACCEPTED:
                        return connection
                except OSError as error:
                    reason = error.strerror or str(error)
                connection.close()
        time.sleep(min(_PAUSE_SECONDS, max(0.0, end - time.monotonic())))
    where = " or ".join(f"{address}:{port}" for address, port in endpoints)
    raise LostProcessError(
        f"process 0 on {host} could not be reached at {where} in {seconds:g} s ({reason}); {_REMEDY}", rank=0
    )


class _Pending(NamedTuple):
    """What a connection has sent so far, and when it is closed unless it completes its message."""

    received: bytes
    deadline: float


class _Acceptor:
    """Accepts connections, and reads all that have not sent the token yet side by side."""

    def __init__(self, ready: selectors.BaseSelector, token: bytes, world_size: int) -> None:
        self.ready = ready
        self.token = token
        self.world_size = world_size
        self.joined: dict[int, socket.socket] = {}
        self.pending: dict[socket.socket, _Pending] = {}

    def serve(self, seconds: float) -> None:
        """Accept and read connections for these seconds, and close those that were silent for too long."""
        for key, _ in self.ready.select(seconds):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if key.data == _LISTENER:
                self._accept(connection)
            elif connection in self.pending:  # not one that was just closed for another
                self._read(connection)
        now = time.monotonic()
        for connection in [connection for connection, state in self.pending.items() if state.deadline < now]:
            self.drop(connection)

    def drop(self, connection: socket.socket) -> None:
        """Close a connection that has not sent the token."""
        del self.pending[connection]
        self.ready.unregister(connection)
        connection.close()

    def _accept(self, listener: socket.socket) -> None:
        if len(self.pending) >= MAX_PENDING:
            self.drop(next(iter(self.pending)))
        try:
            connection, _ = listener.accept()
        except OSError:  # it is closed already, or there are no file descriptors left
            time.sleep(_PAUSE_SECONDS / 10)
            return
        connection.settimeout(0.0)
        self.ready.register(connection, selectors.EVENT_READ)
        self.pending[connection] = _Pending(b"", time.monotonic() + HANDSHAKE_SECONDS)
        self._read(connection)  # a process sends its message at once: it need not wait for the next round

    def _read(self, connection: socket.socket) -> None:
        received, deadline = self.pending[connection]
        try:
            more = connection.recv(_TOKEN_BYTES + _RANK_BYTES - len(received))
        except BlockingIOError:
            return
        except OSError:  # a connection that was reset
            more = b""
        received += more
        self.pending[connection] = _Pending(received, deadline)
        if more and len(received) < _TOKEN_BYTES + _RANK_BYTES:
            return
        rank = int.from_bytes(received[_TOKEN_BYTES:], "big")
        is_known = hmac.compare_digest(received[:_TOKEN_BYTES], self.token)
        if more and is_known and 0 < rank < self.world_size and rank not in self.joined:
            with suppress(OSError):  # closed already: then it will be reported as missing
                connection.send(_ACCEPTED)
            del self.pending[connection]
            self.ready.unregister(connection)
            self.joined[rank] = connection
        else:
            self.drop(connection)


def _missing_error(hosts: Sequence[str], joined: Mapping[int, socket.socket], seconds: float) -> LostProcessError:
    ranks = [rank for rank in range(1, len(hosts)) if rank not in joined]
    names = ", ".join(f"process {rank} on {hosts[rank]}" for rank in ranks)
    return LostProcessError(
        f"{names} did not connect to process 0 on {hosts[0]} in {seconds:g} s; {_REMEDY}", rank=ranks[0]
    )


def _machine_id(proc: Path = Path("/proc")) -> str:
    """Equal for processes that share a loopback: the machine's name, its boot and the network namespace of this process
    (containers of one machine have networks of their own)."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append((proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str((proc / "self/ns/net").readlink()))
    return " ".join(parts)
