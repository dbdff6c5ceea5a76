"""How processes meet over real connections: strangers of every kind change nothing, and who is missing is named."""

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
    NUM_STRANGERS,
    accept_processes,
    addresses,
    connect_to_main,
    greeting,
    open_listeners,
)
from cartoon_dist.errors import LostProcessError
from tests.running import LIMIT_SECONDS, helper

TOKEN = secrets.token_bytes(32)
HOSTS = ["first", "second", "third"]
HERE = [["127.0.0.1"]] * 2

Place = tuple[str, int]

# Process 1 brings strangers along: it knows where process 0 listens, and when.
FLOODED = """
import os, socket, struct, sys
from cartoon_dist.distributed import collectives, rendezvous
from cartoon_dist.distributed.heartbeat import together

plain = rendezvous.connect_to_main

def among_strangers(places, words, host):
    [place] = places
    assert place[0] == "127.0.0.1", place
    silent = [socket.create_connection(place) for _ in range(100)]
    for said in (os.urandom(99), words[:7], words[1:] + words[:1]):
        wire = socket.create_connection(place)
        wire.sendall(said)
        silent.append(wire)
    for number in range(100):
        with socket.create_connection(place) as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return plain(places, words, host)

rendezvous.connect_to_main = among_strangers
collectives.join()
with together(20.0, lambda error: os._exit(3)):
    for number in range(20):
        assert collectives.gather(collectives.rank()) == [0, 1]
collectives.leave()
"""


@contextmanager
def admitting(seconds: float = LIMIT_SECONDS) -> Iterator[tuple[Place, Callable[[], dict[int, socket.socket]]]]:
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
            for wire in joined.result().values():
                wire.close()


def join(place: Place, rank: int) -> socket.socket:
    return connect_to_main([place], greeting(TOKEN, rank), HOSTS[0], LIMIT_SECONDS)


def stranger(place: Place, said: bytes = b"") -> socket.socket:
    wire = socket.create_connection(place, timeout=LIMIT_SECONDS)
    wire.sendall(said)
    return wire


def is_sent_away(wire: socket.socket) -> bool:
    try:
        return wire.recv(1) == b""
    except ConnectionResetError:  # more was said than process 0 reads
        return True


def assert_all_meet(place: Place, joined: Callable[[], dict[int, socket.socket]]) -> None:
    with join(place, 2) as second, join(place, 1) as first:
        wires = joined()
        assert sorted(wires) == [1, 2]
        for rank, wire in ((1, first), (2, second)):
            wire.sendall(b".")
            wires[rank].settimeout(LIMIT_SECONDS)
            assert wires[rank].recv(9) == b"."


def test_connections_that_are_reset_change_nothing() -> None:
    with admitting() as (place, joined):
        for said in [b"", TOKEN[:9], b"x" * 99] * 20:
            wire = stranger(place, said)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.close()
        assert_all_meet(place, joined)


def test_silent_ones_delay_nobody_and_the_oldest_is_sent_away() -> None:
    with admitting() as (place, joined), ExitStack() as stack:
        silent = [stack.enter_context(stranger(place)) for _ in range(NUM_STRANGERS + 36)]
        assert is_sent_away(silent[0])  # long before its time is up: there are too many
        assert_all_meet(place, joined)
        assert all(map(is_sent_away, silent))


def test_one_that_is_silent_or_stops_in_its_greeting_is_sent_away_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "GREETING_SECONDS", 0.05)
    with admitting() as (place, joined), stranger(place) as silent, stranger(place, TOKEN[:20]) as half:
        assert is_sent_away(silent)
        assert is_sent_away(half)
        assert_all_meet(place, joined)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" + bytes(9),
        bytes(36),
        secrets.token_bytes(32) + (1).to_bytes(4, "big"),  # of another run
        greeting(TOKEN, 0),
        greeting(TOKEN, 3),
        greeting(TOKEN, 2**32 - 1),
        bytes(1 << 20),
    ],
    ids=["http", "zeros", "wrong secret", "process 0", "process 3", "no process", "a flood of bytes"],
)
def test_wrong_words_are_sent_away(said: bytes) -> None:
    with admitting() as (place, joined):
        with socket.create_connection(place, timeout=LIMIT_SECONDS) as wire:
            try:
                wire.sendall(said)
                assert is_sent_away(wire)
            except (ConnectionResetError, BrokenPipeError):
                assert len(said) == 1 << 20  # process 0 does not read on
        assert_all_meet(place, joined)


def test_a_rank_is_given_once() -> None:
    with admitting() as (place, joined), join(place, 1) as first:
        with stranger(place, greeting(TOKEN, 1)) as second:
            assert is_sent_away(second)
        with join(place, 2):
            wires = joined()
            first.sendall(b".")
            assert wires[1].getpeername() == first.getsockname()


def test_a_greeting_may_come_in_pieces() -> None:
    with admitting() as (place, joined), join(place, 2), stranger(place) as first:
        first.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in greeting(TOKEN, 1):
            first.send(bytes([byte]))
        assert first.recv(9) == b"+"
        assert sorted(joined()) == [1, 2]


def test_a_flood_while_processes_meet() -> None:
    over, num_floods = threading.Event(), 2000  # an end, should the others never meet

    def flood(place: Place) -> None:
        for _ in range(num_floods):
            if over.is_set():
                return
            with socket.create_connection(place, timeout=LIMIT_SECONDS) as wire:
                wire.send(b"x")

    with ThreadPoolExecutor(2) as pool:
        try:
            with admitting() as (place, joined):
                floods = [pool.submit(flood, place) for _ in range(2)]
                assert_all_meet(place, joined)
                over.set()
        finally:
            over.set()
        for each in floods:
            assert isinstance(each.exception(), ConnectionError | None)  # nobody listens any more


def test_without_file_descriptors_strangers_are_what_is_lost() -> None:
    """A process that may open no more of them lets in a process as soon as there is one again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with admitting() as (place, joined):
        with ExitStack() as stack:
            silent = [stack.enter_context(stranger(place)) for _ in range(5)]
            waiting = [stack.enter_context(socket.socket()) for _ in range(2)]
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (waiting[-1].fileno() + 1, before[1]))
                for rank, wire in enumerate(waiting, 1):
                    wire.connect(place)
                    wire.sendall(greeting(TOKEN, rank))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)
            assert [wire.recv(1) for wire in waiting] == [b"+", b"+"]
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
        place = gone.getsockname()
    with pytest.raises(LostProcessError, match=rf"process 0 on first could not be reached at 127.0.0.1:{place[1]} in"):
        connect_to_main([place], greeting(TOKEN, 1), HOSTS[0], 0.1)


def test_where_process_0_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "192.0.2.7")
    assert addresses("nowhere.invalid", is_here=True) == ["127.0.0.1"]
    assert addresses("nowhere.invalid", is_here=False) == ["192.0.2.7"]
    for loopback in ("127.0.1.1", "localhost", "nowhere.invalid", ""):
        monkeypatch.setenv("MASTER_ADDR", loopback)
        assert addresses("192.0.2.8", is_here=False) == ["192.0.2.8"]
        assert addresses("127.0.0.1", is_here=False) == []


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
def test_two_processes_meet_among_strangers_and_go_on(tmp_path: Path) -> None:
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
    one, two, unknown = (rendezvous._machine(tmp_path / name) for name in ("one", "two", "neither"))
    assert len({one, two, unknown}) == 3
    assert rendezvous._machine() == rendezvous._machine()
