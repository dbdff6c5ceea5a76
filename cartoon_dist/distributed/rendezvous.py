"""How the processes of a run meet: each connects to process 0, which lets nobody else in.

Process 0 makes a random token and tells it, through the process group, to the others; whoever does not say it is a
stranger and changes nothing. Strangers are read side by side with the processes, and are limited in number, in bytes
and in time. Process 0 listens where the others reach it and nowhere else: on the loopback for those of its own machine,
and on the address that the name MASTER_ADDR has for those of other machines. Once all have come it stops listening.
(The token crosses the network as it is, as all that gloo sends does: this keeps out who cannot read the traffic.)
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

MEET_SECONDS = 120.0
"""How long process 0 waits for the others, and they for it."""
GREETING_SECONDS = 5.0
"""How long one that has connected may take to say who it is."""
NUM_STRANGERS = 64
"""How many that have not yet said who they are may be connected; the oldest makes room for one more."""
_TOKEN_BYTES = 32
_RANK_BYTES = 4
_WELCOME = b"+"
_LISTENER = "listener"
_LOOPBACK = "127.0.0.1"
_ANYWHERE = ""
_PAUSE_SECONDS = 0.05
_CONNECT_SECONDS = 20.0
_NUM_ADDRESSES = 8
_REMEDY = (
    "see its own last lines; where nodes do not reach one another by host name, set MASTER_ADDR (docs/cluster.md), "
    "then run the same command again"
)


class _Card(NamedTuple):
    """What each process says of itself; only process 0 has a token."""

    host: str
    machine: str
    token: bytes


def connect() -> tuple[dict[int, socket.socket], list[str]]:
    """Connect all processes to process 0: the connections of this process by rank, and the host of each process.

    Waits for all of them; LostProcessError, naming the missing, when they do not come.
    """
    with collectives.coming_together(RuntimeError):  # which gloo raises when one of them ends meanwhile
        return _connect()


def _connect() -> tuple[dict[int, socket.socket], list[str]]:
    rank = collectives.rank()
    token = secrets.token_bytes(_TOKEN_BYTES) if rank == 0 else b""
    cards = collectives.gather(_Card(socket.gethostname(), _machine(), token))
    token, hosts = cards[0].token, [card.host for card in cards]
    own = addresses(cards[0].host, is_here=cards[rank].machine == cards[0].machine)
    wanted = collectives.gather(own)
    listeners = open_listeners(wanted[1:]) if rank == 0 else {}
    ports = collectives.gather({address: listener.getsockname()[1] for address, listener in listeners.items()})[0]
    if rank == 0:
        try:
            return accept_processes(listeners.values(), token, hosts), hosts
        finally:
            for listener in listeners.values():
                listener.close()
    places = [(address, ports[address]) for address in own if address in ports]
    away = (os.environ.get("MASTER_ADDR") or hosts[0], ports.get(_ANYWHERE, 0))
    return {0: connect_to_main(places or [away], greeting(token, rank), hosts[0])}, hosts


def greeting(token: bytes, rank: int) -> bytes:
    """What a process says when it has connected."""
    return token + rank.to_bytes(_RANK_BYTES, "big")


def addresses(host: str, *, is_here: bool) -> list[str]:
    """Where this process looks for process 0, whose host is so named: the loopback when it is on this machine.

    Elsewhere what MASTER_ADDR and, where that has none, the host's name stand for; a loopback (a host's own name is
    127.0.1.1 on Debian) is no address for others. None when the names have no other.
    """
    if is_here:
        return [_LOOPBACK]
    for name in (os.environ.get("MASTER_ADDR", ""), host):
        with suppress(OSError, UnicodeError):
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM) if name]
            # With a scope (fe80::1%eth0) an address is this machine's alone.
            plain = [address for address in dict.fromkeys(found) if "%" not in address]
            if reached := [address for address in plain if not ipaddress.ip_address(address).is_loopback]:
                return reached[:_NUM_ADDRESSES]
    return []


def open_listeners(wanted: Sequence[Sequence[str]]) -> dict[str, socket.socket]:
    """Listen on each address that another process looks at and that is this machine's: the sockets by address.

    When there is a process that none of them serves (it sees this machine through a translated address), on all
    addresses too, under "".
    """
    listeners: dict[str, socket.socket] = {}
    for address in dict.fromkeys(address for each in wanted for address in each):
        with suppress(OSError):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listeners[address] = socket.create_server((address, 0), family=family, backlog=1024)
    if any(listeners.keys().isdisjoint(each) for each in wanted):
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        listeners[_ANYWHERE] = socket.create_server(("", 0), family=family, backlog=1024, dualstack_ipv6=both)
    return listeners


def accept_processes(
    listeners: Iterable[socket.socket], token: bytes, hosts: Sequence[str], seconds: float = MEET_SECONDS
) -> dict[int, socket.socket]:
    """The connections of all other processes by rank; whoever does not know the token is sent away.

    LostProcessError, naming the missing, after so many seconds.
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
                    raise _missing(hosts, acceptor.joined, seconds)
                acceptor.serve(min(left, GREETING_SECONDS / 4))
        except BaseException:
            for connection in acceptor.joined.values():
                connection.close()
            raise
        finally:
            for connection in [*acceptor.strangers]:
                acceptor.drop(connection)
    return acceptor.joined


def connect_to_main(
    places: Sequence[tuple[str, int]], words: bytes, host: str, seconds: float = MEET_SECONDS
) -> socket.socket:
    """Connect to process 0 at one of the places and say the words; again where it hangs up, as it may among many
    strangers. LostProcessError after so many seconds."""
    end, why = time.monotonic() + seconds, "it hung up"
    while (left := end - time.monotonic()) > 0:
        for place in places:
            with suppress(OSError):
                connection = socket.create_connection(place, timeout=min(left, _CONNECT_SECONDS))
                try:
                    # Never given up while it is whole: process 0 may have let it in already.
                    connection.settimeout(max(_PAUSE_SECONDS, end - time.monotonic()))
                    connection.sendall(words)
                    if connection.recv(1) == _WELCOME:
                        return connection
                except OSError as error:
                    why = error.strerror or str(error)
                connection.close()
        time.sleep(min(_PAUSE_SECONDS, max(0.0, end - time.monotonic())))
    where = " or ".join(f"{address}:{port}" for address, port in places)
    raise LostProcessError(
        f"process 0 on {host} could not be reached at {where} in {seconds:g} s ({why}); {_REMEDY}", rank=0
    )


class _Stranger(NamedTuple):
    """What one has said that is not known yet, and until when it may speak."""

    said: bytes
    until: float


class _Acceptor:
    """Lets connections in, and reads all that are not known yet side by side."""

    def __init__(self, ready: selectors.BaseSelector, token: bytes, world_size: int) -> None:
        self.ready = ready
        self.token = token
        self.world_size = world_size
        self.joined: dict[int, socket.socket] = {}
        self.strangers: dict[socket.socket, _Stranger] = {}

    def serve(self, seconds: float) -> None:
        """Let in and hear whoever comes within these seconds, and send away who was silent for too long."""
        for key, _ in self.ready.select(seconds):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if key.data == _LISTENER:
                self._accept(connection)
            elif connection in self.strangers:  # not one that has just made room for another
                self._read(connection)
        now = time.monotonic()
        for connection in [connection for connection, stranger in self.strangers.items() if stranger.until < now]:
            self.drop(connection)

    def drop(self, connection: socket.socket) -> None:
        """Send a stranger away."""
        del self.strangers[connection]
        self.ready.unregister(connection)
        connection.close()

    def _accept(self, listener: socket.socket) -> None:
        if len(self.strangers) >= NUM_STRANGERS:
            self.drop(next(iter(self.strangers)))
        try:
            connection, _ = listener.accept()
        except OSError:  # it has gone already, or there are no file descriptors left
            time.sleep(_PAUSE_SECONDS / 10)
            return
        connection.settimeout(0.0)
        self.ready.register(connection, selectors.EVENT_READ)
        self.strangers[connection] = _Stranger(b"", time.monotonic() + GREETING_SECONDS)
        self._read(connection)  # a process speaks at once: it need not wait among strangers

    def _read(self, connection: socket.socket) -> None:
        said, until = self.strangers[connection]
        try:
            more = connection.recv(_TOKEN_BYTES + _RANK_BYTES - len(said))
        except BlockingIOError:
            return
        except OSError:  # a connection that was reset
            more = b""
        said += more
        self.strangers[connection] = _Stranger(said, until)
        if more and len(said) < _TOKEN_BYTES + _RANK_BYTES:
            return
        rank = int.from_bytes(said[_TOKEN_BYTES:], "big")
        is_known = hmac.compare_digest(said[:_TOKEN_BYTES], self.token)
        if more and is_known and 0 < rank < self.world_size and rank not in self.joined:
            with suppress(OSError):  # gone already: then it will be missed
                connection.send(_WELCOME)
            del self.strangers[connection]
            self.ready.unregister(connection)
            self.joined[rank] = connection
        else:
            self.drop(connection)


def _missing(hosts: Sequence[str], joined: Mapping[int, socket.socket], seconds: float) -> LostProcessError:
    ranks = [rank for rank in range(1, len(hosts)) if rank not in joined]
    names = ", ".join(f"process {rank} on {hosts[rank]}" for rank in ranks)
    return LostProcessError(
        f"{names} did not connect to process 0 on {hosts[0]} in {seconds:g} s; {_REMEDY}", rank=ranks[0]
    )


def _machine(proc: Path = Path("/proc")) -> str:
    """By which a process knows others that share its loopback: the machine's name, its boot and the network that
    this process sees (containers of one machine have networks of their own)."""
    known = [socket.gethostname()]
    with suppress(OSError):
        known.append((proc / "sys/kernel/random/boot_id").read_text().strip())
        known.append(str((proc / "self/ns/net").readlink()))
    return " ".join(known)
