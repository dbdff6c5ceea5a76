"""Bad answers of a real server: each ends in an error of one line, within the limits of bytes and time."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartoon_dist.files import http
from cartoon_dist.files.http import (
    HttpStream,
    PermanentTransferError,
    TransientTransferError,
    describe_wrong_content,
    error_text,
    read_bounded,
)
from tests.data.served import DRIP, FLOOD, FLOOD_BYTES, Served, served
from tests.running import LIMIT_SECONDS

OK = b"HTTP/1.1 200 OK\r\n"
MAX_BYTES = 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "x").write_bytes(b"content" * 10)
    with served(tmp_path) as state:
        yield state


def read(url: str) -> bytes:
    return b"".join(read_bounded(HttpStream(url, max_bytes=MAX_BYTES), max_bytes=MAX_BYTES))


def answered(server: Served, answer: bytes) -> bytes:
    server.answers["x"] = [answer]
    return read(f"{server.url}/x")


def redirect(place: str, code: int = 302) -> bytes:
    return f"HTTP/1.1 {code} Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()


def chunked(body: bytes) -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + body


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 4\r\n\r\ndata",
        OK + b"\r\ndata",
        OK + b"Content-Length: 4\r\n\r\ndata and bytes after its end",
        OK + b"Content-Length: 4\r\nContent-Encoding: identity\r\n\r\ndata",
        chunked(b"2\r\nda\r\n2;more=x\r\nta\r\n0\r\n\r\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\ndata",
    ],
)
def test_good_answers(server: Served, answer: bytes) -> None:
    assert answered(server, answer) == b"data"


def test_a_whole_file_and_its_length(server: Served) -> None:
    stream = HttpStream(f"{server.url}/x", max_bytes=70)
    assert b"".join(read_bounded(stream, max_bytes=70)) == b"content" * 10
    assert stream.length == 70


def test_an_empty_body(server: Served) -> None:
    assert answered(server, OK + b"Content-Length: 0\r\n\r\n") == b""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (OK + b"Content-Length: -5\r\n\r\ndata", "its server says Content-Length: -5, which is no length"),
        (OK + b"Content-Length: much\r\n\r\ndata", "its server says Content-Length: much, which is no length"),
        (OK + b"Content-Length: 4, 4\r\n\r\ndata", "its server says Content-Length: 4, 4, which is no length"),
        (OK + b"Content-Length: \r\n\r\ndata", "no length"),
        (OK + b"Content-Length: " + b"9" * 400 + b"\r\n\r\ndata", "which is no length"),
        (
            OK + b"Content-Length: 1000000000000000000\r\n\r\ndata",
            "has 1000000000000000000 bytes, and 1000 are the most",
        ),
        (OK + b"Content-Length: 1001\r\n\r\n" + bytes(1001), "has 1001 bytes, and 1000 are the most"),
        (OK + b"\r\n" + bytes(1001), "more than 1000 bytes came"),
        (b"HTTP/1.1 404 Not \x1b[31mhere\r\n\r\n", r"^404 Not \\x1b\[31mhere$"),
        (b"HTTP/1.1 403 " + b"no" * 1000 + b"\r\n\r\n", r"^403 (no){10,}\.\.\. \("),
        (redirect("file:///etc/passwd"), "is sent on to file://, and only http and https are followed"),
        (redirect("ftp://127.0.0.1/x"), "is sent on to ftp://"),
        (redirect("data:text/plain,x"), "is sent on to data://"),
        (redirect("http://[::1/secret"), "^no address that can be asked for, or sent on to one$"),
        (redirect("http://127.0.0.1:port/secret"), "^no address that can be asked for, or sent on to one$"),
        (b"HTTP/1.1 302 Found\r\n\r\n", "is sent on in a circle, too often or to nowhere"),
    ],
)
def test_permanent_failures(server: Served, answer: bytes, message: str) -> None:
    with pytest.raises(PermanentTransferError, match=message):
        answered(server, answer)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (OK + b"Content-Length: 40\r\n\r\ndata", "ended after 4 of 40 bytes"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "^503 Busy$"),
        (b"HTTP/1.1 429 \r\n\r\n", "^429"),
        (b"", "cannot be reached"),
        (b"SSH-2.0-server\r\n", "its answer is no sound HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "its answer is no sound HTTP"),
        (b"x" * 100_000, "its answer is no sound HTTP"),
        (OK + b"a: b\r\n" * 1000, "its answer is no sound HTTP .*more than 100 headers"),
        (OK + b"a: " + b"b" * 100_000, "its answer is no sound HTTP .*more than 65536 bytes"),
        (chunked(b"not a number\r\ndata"), "its answer is no sound HTTP"),
        (chunked(b"9\r\ndata"), "its answer is no sound HTTP"),
        (chunked(b"4\r\ndata\r\n"), "its answer is no sound HTTP"),
        (chunked(b"f" * 100_000), "its answer is no sound HTTP"),
    ],
)
def test_transient_failures(server: Served, answer: bytes, message: str) -> None:
    with pytest.raises(TransientTransferError, match=message) as caught:
        answered(server, answer)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("answer", [OK + b"\r\nx" + FLOOD, chunked(b"-5\r\nx") + FLOOD, redirect("/y") + b"x" + FLOOD])
def test_an_endless_answer_is_cut_off(server: Served, answer: bytes) -> None:
    server.answers["y"] = [404]
    with pytest.raises(PermanentTransferError):
        answered(server, answer)
    assert server.num_sent < FLOOD_BYTES // 4


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (OK + b"Content-Length: 1000\r\n\r\nx" + DRIP, r"^(only \d+ bytes|no byte) came in 0\.7 s"),
        (OK + b"\r\nx" + DRIP, r"^(only \d+ bytes|no byte) came in 0\.7 s"),
        (OK + b"X: x" + DRIP, r"^no byte came in 0\.7 s"),
        (b"H" + DRIP, r"^no byte came in 0\.7 s"),
        (chunked(b"0") + DRIP, r"^no byte came in 0\.7 s"),
    ],
    ids=["length known", "no length", "headers", "status", "length of a chunk"],
)
def test_a_dripping_server_is_abandoned(
    server: Served, monkeypatch: pytest.MonkeyPatch, answer: bytes, message: str
) -> None:
    monkeypatch.setattr(http, "WINDOW_SECONDS", 0.7)
    with pytest.raises(TransientTransferError, match=message):
        answered(server, answer)
    left = [thread for thread in threading.enumerate() if thread.name == "transfer"]
    for thread in left:
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()  # its connection was ended, although the server goes on


def test_a_silent_server_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WINDOW_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TransientTransferError):
        read(f"http://127.0.0.1:{silent.getsockname()[1]}/x")


def test_a_new_window_starts_after_enough_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes fast enough may take longer than a window, and its reader longer still."""
    monkeypatch.setattr(http, "MIN_BYTES_PER_SECOND", 1)
    paces = threading.Semaphore(0)

    class Steady:
        def chunks(self) -> Iterator[bytes]:
            for _ in range(6):
                assert paces.acquire(timeout=LIMIT_SECONDS)
                yield bytes(http.BLOCK_BYTES)

        def abort(self) -> None:
            """Nothing."""

    num = 0
    paces.release()
    for block in read_bounded(Steady(), max_bytes=1 << 30, window_seconds=LIMIT_SECONDS):
        num += len(block)
        threading.Event().wait(0.01)  # does not count: this is the reader's time
        paces.release()
    assert num == 6 * http.BLOCK_BYTES


def test_redirects_are_followed_a_few_times(server: Served) -> None:
    server.answers["a"] = [redirect(f"{server.url}/x", 308)]
    assert read(f"{server.url}/a") == b"content" * 10
    server.answers["b"] = [redirect("/b")] * 99
    with pytest.raises(PermanentTransferError, match="302: is sent on in a circle"):
        read(f"{server.url}/b")
    for index in range(20):
        server.answers[f"c{index}"] = [redirect(f"/c{index + 1}")]
    with pytest.raises(PermanentTransferError, match="302: is sent on in a circle"):
        read(f"{server.url}/c0")
    assert server.asked["b"] + sum(server.asked[f"c{index}"] for index in range(20)) <= 2 * http.MAX_REDIRECTS + 2


def test_a_proxy_password_is_not_sent_to_a_redirect_target(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path) as proxy:
        proxy.answers["x"] = [redirect(f"{server.url}/x")]
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:secret@"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert read("http://elsewhere.invalid/x") == b"content" * 10
        assert "Proxy-Authorization" in proxy.headers[0]
    [headers] = server.headers
    assert not {name.lower() for name in headers} & {"proxy-authorization", "authorization", "cookie"}


def test_a_connection_that_is_reset_in_the_middle() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(OK + b"Content-Length: 40\r\n\r\ndata")
            connection.close()  # with the request unread: a reset

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(TransientTransferError, match=r"cannot be reached|ended after"):
            read(f"http://127.0.0.1:{listener.getsockname()[1]}/x")
        thread.join(LIMIT_SECONDS)


def test_tls_to_a_server_without_tls(server: Served) -> None:
    with pytest.raises(TransientTransferError, match="cannot be reached"):
        read(server.url.replace("http:", "https:") + "/x")


def test_wrong_content_is_recognised_by_its_first_bytes() -> None:
    for page in (
        b"<!DOCTYPE html><html>",
        b"\n <html lang=en>",
        b"\xef\xbb\xbf<?xml version='1.0'?>",
        b"<Error><Code>",
    ):
        assert "web page" in describe_wrong_content(page)
    assert "gzip" in describe_wrong_content(b"\x1f\x8b\x08")
    assert describe_wrong_content(b'{"format": 1}') == describe_wrong_content(b"") == ""


def test_error_text_is_one_short_line() -> None:
    assert error_text(OSError(111, "Connection refused")) == "Connection refused"
    assert error_text(ValueError("a\nb  c\x1b[2J")) == "a b c\\x1b[2J"
    assert error_text(ValueError()) == "ValueError"
    assert len(error_text(ValueError("x" * 9999))) < 300
