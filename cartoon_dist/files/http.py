"""Bytes from other machines, within bounds: no answer of a server holds a process for ever or fills its memory.

Whatever may wait for another machine (its name, the connection, its answer, each byte of it) runs on a thread of its
own, and the caller waits no longer than the bounds say. What comes is counted on its way. http and https are read by
the standard library; a packed answer (gzip) is never unpacked.
"""

import contextlib
import http.client
import socket
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterator
from functools import partial
from queue import Empty, Full, Queue
from typing import IO, Any, Protocol

from cartoon_dist.console.escape import on_a_line, shortened

WINDOW_SECONDS = 60.0
"""How long a server may take for its answer, and then for each WINDOW_SECONDS * LEAST_RATE bytes or the rest of them:
so a file has a minute for its first MB and one more for each further MB."""
LEAST_RATE = 16 * 1024
"""Bytes a second: less than any line that one trains over."""
BLOCK_BYTES = 1 << 20
NUM_REDIRECTS = 5
_GATHER_SECONDS = 0.5
_STEP_SECONDS = 0.5
_BUSY = frozenset({408, 425, 429})
_SENT_ON = frozenset({301, 302, 303, 307, 308})
_SCHEMES = ("http", "https")
_OF_ONE_HOST = frozenset({"authorization", "proxy-authorization", "cookie"})


class TransferError(Exception):
    """The bytes could not be had, and the same try may do later: a busy server, a connection that broke."""


class RefusedError(Exception):
    """The bytes could not be had, and another try will not change that."""


class Stream(Protocol):
    """Where bytes come from."""

    def pieces(self) -> Iterator[bytes]:
        """The bytes as they come; called on a thread, and may wait there for as long as it likes."""
        ...

    def hang_up(self) -> None:
        """End the waiting, from another thread."""
        ...


def within(stream: Stream, *, most_bytes: int, window_seconds: float | None = None) -> Generator[bytes, None, None]:
    """The bytes of a stream in blocks, as long as they come fast enough and are no more than so many.

    window_seconds: in place of WINDOW_SECONDS. TransferError when they come too slowly, RefusedError when they are too
    many; what the stream raises is raised here.
    """
    window = WINDOW_SECONDS if window_seconds is None else window_seconds
    arrived: Queue[bytes | BaseException | None] = Queue(maxsize=2)
    over = threading.Event()
    threading.Thread(target=_pump, args=(stream, arrived, over), name="transfer", daemon=True).start()
    total, recent, waited = 0, 0, 0.0
    try:
        while True:
            begun = time.monotonic()
            try:
                item = arrived.get(timeout=max(0.0, window - waited))
            except Empty:
                raise TransferError(
                    f"{f'only {recent} bytes' if recent else 'no byte'} came in {window:g} s, after {total} before that"
                ) from None
            waited += time.monotonic() - begun  # what the caller does with a block takes its own time
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            total, recent = total + len(item), recent + len(item)
            if total > most_bytes:
                raise RefusedError(f"more than {most_bytes} bytes came, which is the most that it may have")
            if recent >= window * LEAST_RATE:
                recent, waited = 0, 0.0
            yield item
    finally:
        over.set()
        stream.hang_up()


class HttpStream:
    """The content behind an http or https address; `length` is what the server says it is, once a byte has come."""

    def __init__(self, url: str, *, most_bytes: int) -> None:
        scheme, rest = url.split("://", 1)
        self.url = f"{scheme}://{urllib.parse.quote(rest, safe='/:@%[]')}"
        self.most_bytes = most_bytes
        self.length: int | None = None
        self._wires: list[socket.socket] = []

    def pieces(self) -> Iterator[bytes]:
        """As of Stream. TransferError or RefusedError, in words that name no address, when it cannot be had."""
        try:
            yield from self._read()
        except urllib.error.HTTPError as error:
            error.close()
            said = f"{error.code} {words(str(error.reason))}".strip()
            if error.code in _SENT_ON:
                raise RefusedError(f"{error.code}: is sent on in a circle, too often or to nowhere") from None
            kind = TransferError if error.code in _BUSY or error.code >= 500 else RefusedError
            raise kind(said) from None
        except (http.client.InvalidURL, ValueError):  # whose words hold the address that it was sent on to
            raise RefusedError("no address that can be asked for, or sent on to one") from None
        except OSError as error:
            raise TransferError(f"cannot be reached ({words(error)})") from None
        except http.client.HTTPException as error:
            raise TransferError(f"its answer is no sound HTTP ({words(error)})") from None

    def hang_up(self) -> None:
        """As of Stream."""
        for wire in self._wires:
            with contextlib.suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def _read(self) -> Iterator[bytes]:
        with _opener(self._wires).open(self.url, timeout=WINDOW_SECONDS) as answer:
            told = self.length = _length(answer)
            if told is not None and told > self.most_bytes:
                raise RefusedError(f"has {told} bytes, and {self.most_bytes} are the most that it may have")
            done = 0
            while (told is None or done < told) and (piece := answer.read1(BLOCK_BYTES)):
                done += len(piece)
                yield piece
            if told is not None and done < told:
                raise TransferError(f"ended after {done} of {told} bytes")


def kind_of_wrong(data: bytes) -> str:
    """What bytes are that are not what was asked for, in brackets, where their beginning shows it; else nothing."""
    begun = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begun.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")):
        return " (a web page or an error in XML came in its place; open the address in a browser)"
    return " (it came packed by gzip; switch that off at the server)" if begun.startswith(b"\x1f\x8b") else ""


def words(error: BaseException | str) -> str:
    """What an error says, on a short line."""
    cause = getattr(error, "reason", error)  # urllib wraps what the system said
    said = getattr(cause, "strerror", None) or cause
    return shortened(on_a_line(" ".join(str(said).split())) or type(error).__name__)


def _pump(stream: Stream, arrived: "Queue[bytes | BaseException | None]", over: threading.Event) -> None:
    """Put what a stream brings into the queue, until nobody wants it any more."""

    def put(item: bytes | BaseException | None) -> None:
        while not over.is_set():
            with contextlib.suppress(Full):
                return arrived.put(item, timeout=_STEP_SECONDS)
        raise _OverError

    with contextlib.suppress(_OverError):
        try:
            held, since = bytearray(), time.monotonic()
            for piece in stream.pieces():
                held += piece
                if len(held) >= BLOCK_BYTES or time.monotonic() - since > _GATHER_SECONDS:
                    put(bytes(held))
                    held, since = bytearray(), time.monotonic()
            if held:
                put(bytes(held))
            put(None)
        except Exception as error:  # noqa: BLE001 (the caller's thread raises it again)
            put(error)


class _OverError(BaseException):
    """Nobody wants the rest."""


def _length(answer: http.client.HTTPResponse) -> int | None:
    """What a server says of the length; RefusedError when that is no number."""
    told = None if answer.chunked else answer.getheader("Content-Length")
    if told is None:
        return None
    if not (told.isascii() and told.isdecimal() and len(told) <= 19):
        raise RefusedError(f"its server says Content-Length: {words(told)}, which is no length")
    return int(told)


def _opener(wires: list[socket.socket]) -> urllib.request.OpenerDirector:
    """What asks for http and https alone, by the proxies of the environment, and tells of its connections."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Handler(wires),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _Handler(urllib.request.AbstractHTTPHandler):
    """Opens connections that are kept in a list, to be ended from another thread."""

    def __init__(self, wires: list[socket.socket]) -> None:
        super().__init__()
        self.wires = wires

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_Connection, wires=self.wires), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_SecureConnection, wires=self.wires), request)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


class _Connection(http.client.HTTPConnection):
    def __init__(self, *rest: Any, wires: list[socket.socket], **more: Any) -> None:
        super().__init__(*rest, **more)
        self.wires = wires

    def connect(self) -> None:
        super().connect()
        self.wires.append(self.sock)


class _SecureConnection(_Connection, http.client.HTTPSConnection):
    """The same over TLS."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, to http and https alone; what is for one host is not told to the next."""

    max_redirections = NUM_REDIRECTS

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage
    ) -> Any:
        fp.close()  # its content is not wanted, and may have no end
        place = headers.get("location") or headers.get("uri") or ""
        target = urllib.parse.urlsplit(urllib.parse.urljoin(req.full_url, place))
        if target.scheme not in _SCHEMES:
            raise RefusedError(f"{code}: is sent on to {words(target.scheme)}://, and only http and https are followed")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: urllib.request.Request, *rest: Any) -> urllib.request.Request | None:
        new = super().redirect_request(req, *rest)
        if new is not None:
            new.headers = {name: value for name, value in new.headers.items() if name.lower() not in _OF_ONE_HOST}
        return new
