"""What servers may answer, from a real one: every answer ends in one line, within bounds of bytes and of time."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartoon_dist.files import http
from cartoon_dist.files.http import HttpStream, RefusedError, TransferError, kind_of_wrong, within, words
from tests.data.served import DRIP, FLOOD, FLOOD_BYTES, Served, served
from tests.running import LIMIT_SECONDS

OK = b"HTTP/1.1 200 OK\r\n"
MOST = 1000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "x").write_bytes(b"content" * 10)
    with served(tmp_path) as state:
        yield state


def read(url: str) -> bytes:
    return b"".join(within(HttpStream(url, most_bytes=MOST), most_bytes=MOST))


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
        OK + b"Content-Length: 4\r\n\r\ndata and what is no part of it",
        OK + b"Content-Length: 4\r\nContent-Encoding: identity\r\n\r\ndata",
        chunked(b"2\r\nda\r\n2;more=x\r\nta\r\n0\r\n\r\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\ndata",
    ],
)
def test_good_answers(server: Served, answer: bytes) -> None:
    assert answered(server, answer) == b"data"


def test_all_of_a_file_and_its_length(server: Served) -> None:
    stream = HttpStream(f"{server.url}/x", most_bytes=70)
    assert b"".join(within(stream, most_bytes=70)) == b"content" * 10
    assert stream.length == 70


def test_nothing_is_nothing(server: Served) -> None:
    assert answered(server, OK + b"Content-Length: 0\r\n\r\n") == b""


@pytest.mark.parametrize(
    ("answer", "said"),
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
def test_answers_that_another_try_does_not_change(server: Served, answer: bytes, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        answered(server, answer)


@pytest.mark.parametrize(
    ("answer", "said"),
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
def test_answers_that_another_try_may_change(server: Served, answer: bytes, said: str) -> None:
    with pytest.raises(TransferError, match=said) as caught:
        answered(server, answer)
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("answer", [OK + b"\r\nx" + FLOOD, chunked(b"-5\r\nx") + FLOOD, redirect("/y") + b"x" + FLOOD])
def test_a_flood_is_cut_off(server: Served, answer: bytes) -> None:
    server.answers["y"] = [404]
    with pytest.raises(RefusedError):
        answered(server, answer)
    assert server.num_sent < FLOOD_BYTES // 4


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (OK + b"Content-Length: 1000\r\n\r\nx" + DRIP, r"^(only \d+ bytes|no byte) came in 0\.7 s"),
        (OK + b"\r\nx" + DRIP, r"^(only \d+ bytes|no byte) came in 0\.7 s"),
        (OK + b"X: x" + DRIP, r"^no byte came in 0\.7 s"),
        (b"H" + DRIP, r"^no byte came in 0\.7 s"),
        (chunked(b"0") + DRIP, r"^no byte came in 0\.7 s"),
    ],
    ids=["length known", "no length", "headers", "status", "length of a chunk"],
)
def test_a_drip_is_given_up(server: Served, monkeypatch: pytest.MonkeyPatch, answer: bytes, said: str) -> None:
    monkeypatch.setattr(http, "WINDOW_SECONDS", 0.7)
    with pytest.raises(TransferError, match=said):
        answered(server, answer)
    left = [thread for thread in threading.enumerate() if thread.name == "transfer"]
    for thread in left:
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()  # it was hung up on, although the server goes on


def test_one_who_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WINDOW_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TransferError):
        read(f"http://127.0.0.1:{silent.getsockname()[1]}/x")


def test_a_window_begins_anew_with_enough_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes fast enough may take longer than a window, and its reader longer still."""
    monkeypatch.setattr(http, "LEAST_RATE", 1)
    paces = threading.Semaphore(0)

    class Steady:
        def pieces(self) -> Iterator[bytes]:
            for _ in range(6):
                assert paces.acquire(timeout=LIMIT_SECONDS)
                yield bytes(http.BLOCK_BYTES)

        def hang_up(self) -> None:
            """Nothing."""

    num = 0
    paces.release()
    for block in within(Steady(), most_bytes=1 << 30, window_seconds=LIMIT_SECONDS):
        num += len(block)
        threading.Event().wait(0.01)  # of no account: this is the reader's time
        paces.release()
    assert num == 6 * http.BLOCK_BYTES


def test_redirects_are_followed_a_few_times(server: Served) -> None:
    server.answers["a"] = [redirect(f"{server.url}/x", 308)]
    assert read(f"{server.url}/a") == b"content" * 10
    server.answers["b"] = [redirect("/b")] * 99
    with pytest.raises(RefusedError, match="302: is sent on in a circle"):
        read(f"{server.url}/b")
    for number in range(20):
        server.answers[f"c{number}"] = [redirect(f"/c{number + 1}")]
    with pytest.raises(RefusedError, match="302: is sent on in a circle"):
        read(f"{server.url}/c0")
    assert server.asked["b"] + sum(server.asked[f"c{number}"] for number in range(20)) <= 2 * http.NUM_REDIRECTS + 2


def test_a_proxy_s_password_is_not_told_to_where_one_is_sent_on(
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
    with socket.create_server(("127.0.0.1", 0)) as door:

        def answer() -> None:
            wire, _ = door.accept()
            wire.sendall(OK + b"Content-Length: 40\r\n\r\ndata")
            wire.close()  # with what was asked unread: a reset

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(TransferError, match=r"cannot be reached|ended after"):
            read(f"http://127.0.0.1:{door.getsockname()[1]}/x")
        thread.join(LIMIT_SECONDS)


def test_tls_with_one_who_speaks_none(server: Served) -> None:
    with pytest.raises(TransferError, match="cannot be reached"):
        read(server.url.replace("http:", "https:") + "/x")


def test_what_came_in_place_of_a_file_is_told_by_its_beginning() -> None:
    for page in (
        b"<!DOCTYPE html><html>",
        b"\n <html lang=en>",
        b"\xef\xbb\xbf<?xml version='1.0'?>",
        b"<Error><Code>",
    ):
        assert "web page" in kind_of_wrong(page)
    assert "gzip" in kind_of_wrong(b"\x1f\x8b\x08")
    assert kind_of_wrong(b'{"format": 1}') == kind_of_wrong(b"") == ""


def test_words_of_errors_are_one_short_line() -> None:
    assert words(OSError(111, "Connection refused")) == "Connection refused"
    assert words(ValueError("a\nb  c\x1b[2J")) == "a b c\\x1b[2J"
    assert words(ValueError()) == "ValueError"
    assert len(words(ValueError("x" * 9999))) < 300
