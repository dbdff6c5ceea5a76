"""The last words of a process that ends normally, over real connections that hold back what is written."""

import socket
import threading
from collections.abc import Iterator

import pytest

from cartoon_dist.distributed import heartbeat_wire
from cartoon_dist.distributed.heartbeat_wire import HeartbeatClient, HeartbeatServer
from tests.running import LIMIT_SECONDS

Ends = tuple[HeartbeatServer, HeartbeatClient]


@pytest.fixture
def ends() -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        there = socket.create_connection(listener.getsockname())
        here, _ = listener.accept()
    with there, here:
        yield HeartbeatServer({1: here}), HeartbeatClient(there)


def delay_acknowledgement(connection: socket.socket) -> None:
    """What the other end writes after a first small message waits there until the first is acknowledged."""
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)


def _connection(server: HeartbeatServer) -> socket.socket:
    [key] = server.connections.get_map().values()
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj


def test_process_0_that_ends_is_not_lost_though_a_heartbeat_was_unread(ends: Ends) -> None:
    server, client = ends
    client.connection.sendall(b".")  # unread when process 0 closes
    delay_acknowledgement(client.connection)
    _connection(server).sendall(b'{"missed": {}}\n')
    closing = threading.Thread(target=server.close)
    closing.start()
    assert client.exchange(0.5) == {}
    assert client.left
    assert not client.closed
    closing.join()


def test_another_process_that_ends_is_not_lost_though_a_line_was_unread(ends: Ends) -> None:
    server, client = ends
    connection = _connection(server)
    connection.settimeout(None)
    connection.sendall(b'{"missed": {}}\n')  # unread when the other closes
    connection.settimeout(0.0)
    delay_acknowledgement(connection)
    client.connection.sendall(b".")
    closing = threading.Thread(target=client.close)
    closing.start()
    assert server.exchange(0.5) == {}
    assert not server.closed
    assert not server.last_heard
    closing.join()


def test_both_that_end_at_once_do_not_wait_for_each_other(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat_wire, "SUSPECT_SECONDS", float(10 * LIMIT_SECONDS))
    closing = [threading.Thread(target=end.close, daemon=True) for end in ends]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()


@pytest.mark.parametrize("who", [0, 1])
def test_one_that_closes_without_a_last_word_is_lost(ends: Ends, who: int) -> None:
    server, client = ends
    if who == 0:
        _connection(server).close()
        assert list(client.exchange(0.1)) == [0]
    else:
        client.connection.close()
        assert list(server.exchange(0.1)) == [1]
