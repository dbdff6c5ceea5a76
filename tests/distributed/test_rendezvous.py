"""The rendezvous over real connections: unknown ones of every kind change nothing, and missing processes are named."""

import re
import resource
import secrets
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cartoon_dist.distributed import rendezvous
from cartoon_dist.distributed.rendezvous import (
    MAX_PENDING,
    accept_processes,
    candidate_addresses,
    connect_to_main,
    handshake_message,
    open_listeners,
)
from cartoon_dist.errors import LostProcessError
from tests.running import LIMIT_SECONDS, helper

TOKEN = secrets.token_bytes(32)
HOSTS = ["first", "second", "third"]
HERE = [["127.0.0.1"]] * 2

Endpoint = tuple[str, int]

# Process 1 brings unknown connections along: it knows where process 0 listens, and when.
FLOODED = """
import os, socket, struct, sys
from cartoon_dist.distributed import collectives, rendezvous
from cartoon_dist.distributed.heartbeat import monitor

original = rendezvous.connect_to_main

def with_unknown_connections(endpoints, message, host):
    [endpoint] = endpoints
    assert endpoint[0] == "127.0.0.1", endpoint
    silent = [socket.create_connection(endpoint) for _ in range(100)]
    for data in (os.urandom(99), message[:7], message[1:] + message[:1]):
        connection = socket.create_connection(endpoint)
        connection.sendall(data)
        silent.append(connection)
    for _ in range(100):
        with socket.create_connection(endpoint) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return original(endpoints, message, host)

rendezvous.connect_to_main = with_unknown_connections
collectives.init_process_group()
with monitor(20.0, lambda error: os._exit(3)):
    for _ in range(20):
        assert collectives.all_gather(collectives.rank()) == [0, 1]
collectives.destroy_process_group()
"""


@contextmanager
def admitting(seconds: float = LIMIT_SECONDS) -> Iterator[tuple[Endpoint, Callable[[], dict[int, socket.socket]]]]:
    """Process 0 of three, on a thread of its own: where it listens, and what it has let in when all have come."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        listeners = open_listeners(HERE)
        assert list(listeners) == ["127.0.0.1"]
        [listener] = listeners.values()
        stack.enter_context(listener)
        joined = pool.submit(accept_processes, [listener], TOKEN, HOSTS, seconds)
        yield listener.getsockname(), joined.result
        if not joined.exception():
            for connection in joined.result().values():
                connection.close()


def join(endpoint: Endpoint, rank: int) -> socket.socket:
    return connect_to_main([endpoint], handshake_message(TOKEN, rank), HOSTS[0], LIMIT_SECONDS)


def unknown(endpoint: Endpoint, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(endpoint, timeout=LIMIT_SECONDS)
    connection.sendall(data)
    return connection


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:  # process 0 did not read everything that was sent
        return True


def assert_all_meet(endpoint: Endpoint, joined: Callable[[], dict[int, socket.socket]]) -> None:
    with join(endpoint, 2) as second, join(endpoint, 1) as first:
        connections = joined()
        assert sorted(connections) == [1, 2]
        for rank, connection in ((1, first), (2, second)):
            connection.sendall(b".")
            connections[rank].settimeout(LIMIT_SECONDS)
            assert connections[rank].recv(9) == b"."


def test_connections_that_are_reset_change_nothing() -> None:
    with admitting() as (endpoint, joined):
        for data in [b"", TOKEN[:9], b"x" * 99] * 20:
            connection = unknown(endpoint, data)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        assert_all_meet(endpoint, joined)


def test_silent_ones_delay_nobody_and_the_oldest_is_closed() -> None:
    with admitting() as (endpoint, joined), ExitStack() as stack:
        silent = [stack.enter_context(unknown(endpoint)) for _ in range(MAX_PENDING + 36)]
        assert is_closed(silent[0])  # long before its time is up: there are too many
        assert_all_meet(endpoint, joined)
        assert all(map(is_closed, silent))


def test_one_that_is_silent_or_stops_in_its_handshake_is_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "HANDSHAKE_SECONDS", 0.05)
    with (
        admitting() as (endpoint, joined),
        unknown(endpoint) as silent,
        unknown(endpoint, TOKEN[:20]) as half,
    ):
        assert is_closed(silent)
        assert is_closed(half)
        assert_all_meet(endpoint, joined)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" + bytes(9),
        bytes(36),
        secrets.token_bytes(32) + (1).to_bytes(4, "big"),  # of another run
        handshake_message(TOKEN, 0),
        handshake_message(TOKEN, 3),
        handshake_message(TOKEN, 2**32 - 1),
        bytes(1 << 20),
    ],
    ids=["http", "zeros", "wrong secret", "process 0", "process 3", "no process", "a flood of bytes"],
)
def test_a_wrong_message_closes_the_connection(data: bytes) -> None:
    with admitting() as (endpoint, joined):
        with socket.create_connection(endpoint, timeout=LIMIT_SECONDS) as connection:
            try:
                connection.sendall(data)
                assert is_closed(connection)
            except (ConnectionResetError, BrokenPipeError):
                assert len(data) == 1 << 20  # process 0 does not read on
        assert_all_meet(endpoint, joined)


def test_a_rank_is_given_once() -> None:
    with admitting() as (endpoint, joined), join(endpoint, 1) as first:
        with unknown(endpoint, handshake_message(TOKEN, 1)) as second:
            assert is_closed(second)
        with join(endpoint, 2):
            connections = joined()
            first.sendall(b".")
            assert connections[1].getpeername() == first.getsockname()


def test_a_handshake_message_may_arrive_in_pieces() -> None:
    with admitting() as (endpoint, joined), join(endpoint, 2), unknown(endpoint) as first:
        first.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in handshake_message(TOKEN, 1):
            first.send(bytes([byte]))
        assert first.recv(9) == b"+"
        assert sorted(joined()) == [1, 2]


def test_a_flood_while_processes_meet() -> None:
    over, num_floods = threading.Event(), 2000  # an end, should the others never meet

    def flood(endpoint: Endpoint) -> None:
        for _ in range(num_floods):
            if over.is_set():
                return
            with socket.create_connection(endpoint, timeout=LIMIT_SECONDS) as connection:
                connection.send(b"x")

    with ThreadPoolExecutor(2) as pool:
        try:
            with admitting() as (endpoint, joined):
                floods = [pool.submit(flood, endpoint) for _ in range(2)]
                assert_all_meet(endpoint, joined)
                over.set()
        finally:
            over.set()
        for each in floods:
            assert isinstance(each.exception(), ConnectionError | None)  # nobody listens any more


def test_without_file_descriptors_only_unknown_connections_are_lost() -> None:
    """A process that may open no more of them lets in a process as soon as there is one again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with admitting() as (endpoint, joined):
        with ExitStack() as stack:
            silent = [stack.enter_context(unknown(endpoint)) for _ in range(5)]
            waiting = [stack.enter_context(socket.socket()) for _ in range(2)]
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (waiting[-1].fileno() + 1, before[1]))
                for rank, connection in enumerate(waiting, 1):
                    connection.connect(endpoint)
                    connection.sendall(handshake_message(TOKEN, rank))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            assert [connection.recv(1) for connection in waiting] == [b"+", b"+"]
            assert len(silent) == 5
        assert sorted(joined()) == [1, 2]


def test_the_missing_are_named() -> None:
    listeners = open_listeners(HERE)
    [listener] = listeners.values()
    with listener, ThreadPoolExecutor(1) as pool:
        came = pool.submit(join, listener.getsockname(), 1)
        with pytest.raises(
            LostProcessError, match=r"^process 2 on third did not connect to process 0 on first in 0.5 s"
        ):
            accept_processes([listener], TOKEN, HOSTS, 0.5)
        came.result().close()


def test_a_process_0_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        endpoint = gone.getsockname()
    with pytest.raises(
        LostProcessError, match=rf"process 0 on first could not be reached at 127.0.0.1:{endpoint[1]} in"
    ):
        connect_to_main([endpoint], handshake_message(TOKEN, 1), HOSTS[0], 0.1)


def test_candidate_addresses_of_process_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "192.0.2.7")
    assert candidate_addresses("nowhere.invalid", is_here=True) == ["127.0.0.1"]
    assert candidate_addresses("nowhere.invalid", is_here=False) == ["192.0.2.7"]
    for loopback in ("127.0.1.1", "localhost", "nowhere.invalid", ""):
        monkeypatch.setenv("MASTER_ADDR", loopback)
        assert candidate_addresses("192.0.2.8", is_here=False) == ["192.0.2.8"]
        assert candidate_addresses("127.0.0.1", is_here=False) == []


@pytest.mark.parametrize(
    ("wanted", "opened"),
    [
        ([["127.0.0.1"], ["127.0.0.2"]], {"127.0.0.1": "127.0.0.1", "127.0.0.2": "127.0.0.2"}),
        # An address that is not this machine's own serves nobody by itself.
        ([["127.0.0.1"], ["192.0.2.7", "127.0.0.2"]], {"127.0.0.1": "127.0.0.1", "127.0.0.2": "127.0.0.2"}),
        ([["127.0.0.1"], ["192.0.2.7"]], {"127.0.0.1": "127.0.0.1", "": "any"}),
        ([["127.0.0.1"], []], {"127.0.0.1": "127.0.0.1", "": "any"}),
    ],
)
def test_process_0_listens_where_it_is_needed(wanted: list[list[str]], opened: dict[str, str]) -> None:
    listeners = open_listeners(wanted)
    bound = {name: listener.getsockname()[0] for name, listener in listeners.items()}
    for listener in listeners.values():
        listener.close()
    assert {name: "any" if address in ("::", "0.0.0.0") else address for name, address in bound.items()} == opened


@pytest.mark.slow
def test_two_processes_meet_with_unknown_connections_and_go_on(tmp_path: Path) -> None:
    path = tmp_path / "flooded.py"
    path.write_text(FLOODED)
    done = helper(path, num_processes=2)
    assert done.returncode == 0, done.stderr
    assert not re.search("Traceback|Error", done.stderr)


def test_a_machine_is_known_by_more_than_its_name(tmp_path: Path) -> None:
    for name, boot in (("one", "1"), ("two", "2")):
        (tmp_path / name / "sys/kernel/random").mkdir(parents=True)
        (tmp_path / name / "sys/kernel/random/boot_id").write_text(f"{boot}\n")
        (tmp_path / name / "self/ns").mkdir(parents=True)
        (tmp_path / name / "self/ns/net").symlink_to("net:[1]")
    one, two, unknown = (rendezvous._machine_id(tmp_path / name) for name in ("one", "two", "neither"))
    assert len({one, two, unknown}) == 3
    assert rendezvous._machine_id() == rendezvous._machine_id()
