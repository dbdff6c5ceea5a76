"""Downloads with limits of time and size: no server can block a process for ever or fill its memory.

Everything that may wait for another machine (DNS, the connection, the headers, each byte of the body) runs on a thread
of its own, and the caller waits no longer than the limits allow. The bytes are counted as they come. http and https are
read by the standard library; a compressed answer (gzip) is never decompressed.
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

from cartoon_dist.console.escape import escape_line, truncated

WINDOW_SECONDS = 60.0
"""Time limit for the headers, and then for each WINDOW_SECONDS * MIN_BYTES_PER_SECOND bytes or the rest of them: a
file has a minute for its first MB and one more for each further MB."""
MIN_BYTES_PER_SECOND = 16 * 1024
"""Slower than any network that one trains over."""
BLOCK_BYTES = 1 << 20
MAX_REDIRECTS = 5
_GATHER_SECONDS = 0.5
_POLL_SECONDS = 0.5
_RETRY_STATUSES = frozenset({408, 425, 429})
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_ALLOWED_SCHEMES = ("http", "https")
_ONE_HOST_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


class TransferError(Exception):
    """A download failed."""


class TransientTransferError(TransferError):
    """The download failed, and a later try may succeed: a busy server, a broken connection."""


class PermanentTransferError(TransferError):
    """The download failed, and another try will not change that."""


class ByteStream(Protocol):
    """A source of bytes that `read_bounded` reads on its own thread."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come; runs on a thread of its own, where it may wait without limit."""
        ...

    def abort(self) -> None:
        """End the waiting; called from another thread."""
        ...


def read_bounded(
    stream: ByteStream, *, max_bytes: int, window_seconds: float | None = None
) -> Generator[bytes, None, None]:
    """The bytes of a stream in blocks, as long as they come fast enough and are at most max_bytes.

    window_seconds: in place of WINDOW_SECONDS. Raises TransientTransferError when they come too slowly,
    PermanentTransferError when there are too many; an error of the stream is raised here.
    """
    window = WINDOW_SECONDS if window_seconds is None else window_seconds
    queue: Queue[bytes | BaseException | None] = Queue(maxsize=2)
    abandoned = threading.Event()
    threading.Thread(target=_read_into_queue, args=(stream, queue, abandoned), name="transfer", daemon=True).start()
    total, recent, waited = 0, 0, 0.0
    try:
        while True:
            wait_start = time.monotonic()
            try:
                item = queue.get(timeout=max(0.0, window - waited))
            except Empty:
                raise TransientTransferError(
                    f"{f'only {recent} bytes' if recent else 'no byte'} came in {window:g} s, after {total} before that"
                ) from None
            waited += time.monotonic() - wait_start  # the caller's own time for a block does not count
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            total, recent = total + len(item), recent + len(item)
            if total > max_bytes:
                raise PermanentTransferError(f"more than {max_bytes} bytes came, which is the most that it may have")
            if recent >= window * MIN_BYTES_PER_SECOND:
                recent, waited = 0, 0.0
            yield item
    finally:
        abandoned.set()
        stream.abort()


class HttpStream:
    """The content of an http or https URL; `length` is the server's Content-Length, known after the first byte."""

    def __init__(self, url: str, *, max_bytes: int) -> None:
        scheme, rest = url.split("://", 1)
        self.url = f"{scheme}://{urllib.parse.quote(rest, safe='/:@%[]')}"
        self.max_bytes = max_bytes
        self.length: int | None = None
        self._sockets: list[socket.socket] = []

    def chunks(self) -> Iterator[bytes]:
        """See ByteStream. Raises TransientTransferError or PermanentTransferError, whose text contains no URL."""
        try:
            yield from self._read()
        except urllib.error.HTTPError as error:
            error.close()
            status = f"{error.code} {error_text(str(error.reason))}".strip()
            if error.code in _REDIRECT_STATUSES:
                raise PermanentTransferError(f"{error.code}: is sent on in a circle, too often or to nowhere") from None
            may_pass = error.code in _RETRY_STATUSES or error.code >= 500
            raise (TransientTransferError if may_pass else PermanentTransferError)(status) from None
        except (http.client.InvalidURL, ValueError):  # their text contains the URL of the redirect
            raise PermanentTransferError("no address that can be asked for, or sent on to one") from None
        except OSError as error:
            raise TransientTransferError(f"cannot be reached ({error_text(error)})") from None
        except http.client.HTTPException as error:
            raise TransientTransferError(f"its answer is no sound HTTP ({error_text(error)})") from None

    def abort(self) -> None:
        """See ByteStream."""
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _read(self) -> Iterator[bytes]:
        with _build_opener(self._sockets).open(self.url, timeout=WINDOW_SECONDS) as response:
            length = self.length = _content_length(response)
            if length is not None and length > self.max_bytes:
                raise PermanentTransferError(f"has {length} bytes, and {self.max_bytes} are the most that it may have")
            num_read = 0
            while (length is None or num_read < length) and (chunk := response.read1(BLOCK_BYTES)):
                num_read += len(chunk)
                yield chunk
            if length is not None and num_read < length:
                raise TransientTransferError(f"ended after {num_read} of {length} bytes")


def describe_wrong_content(data: bytes) -> str:
    """What came in place of the expected file, in brackets, where the first bytes show it; else an empty string."""
    start = data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")):
        return " (a web page or an error in XML came in its place; open the address in a browser)"
    return " (it came packed by gzip; switch that off at the server)" if start.startswith(b"\x1f\x8b") else ""


def error_text(error: BaseException | str) -> str:
    """An error's message on one short line."""
    cause = getattr(error, "reason", error)  # urllib wraps the system's error
    message = getattr(cause, "strerror", None) or cause
    return truncated(escape_line(" ".join(str(message).split())) or type(error).__name__)


def _read_into_queue(
    stream: ByteStream, queue: "Queue[bytes | BaseException | None]", abandoned: threading.Event
) -> None:
    """Put a stream's bytes into the queue, and None or its error at the end, until the reader has gone."""

    def put(item: bytes | BaseException | None) -> None:
        while not abandoned.is_set():
            with contextlib.suppress(Full):
                return queue.put(item, timeout=_POLL_SECONDS)
        raise _AbandonedError

    with contextlib.suppress(_AbandonedError):
        try:
            block, block_start = bytearray(), time.monotonic()
            for chunk in stream.chunks():
                block += chunk
                if len(block) >= BLOCK_BYTES or time.monotonic() - block_start > _GATHER_SECONDS:
                    put(bytes(block))
                    block, block_start = bytearray(), time.monotonic()
            if block:
                put(bytes(block))
            put(None)
        except Exception as error:  # noqa: BLE001 (the caller's thread raises it again)
            put(error)


class _AbandonedError(BaseException):
    """The reader has gone; ends the thread."""


def _content_length(response: http.client.HTTPResponse) -> int | None:
    """The Content-Length, None where there is none; PermanentTransferError when it is no number."""
    text = None if response.chunked else response.getheader("Content-Length")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise PermanentTransferError(f"its server says Content-Length: {error_text(text)}, which is no length")
    return int(text)


def _build_opener(sockets: list[socket.socket]) -> urllib.request.OpenerDirector:
    """An opener for http and https alone, with the environment's proxies, which adds its connections to `sockets`."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _HttpHandler(sockets),
        _RedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _HttpHandler(urllib.request.AbstractHTTPHandler):
    """Keeps its connections in a list, so that another thread can end them."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_TrackedConnection, sockets=self.sockets), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_TrackedSecureConnection, sockets=self.sockets), request)

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_


class _TrackedConnection(http.client.HTTPConnection):
    def __init__(self, *args: Any, sockets: list[socket.socket], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sockets = sockets

    def connect(self) -> None:
        super().connect()
        self.sockets.append(self.sock)


class _TrackedSecureConnection(_TrackedConnection, http.client.HTTPSConnection):
    """The same over TLS."""


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, to http and https alone, and sends passwords and cookies to the first host only."""

    max_redirections = MAX_REDIRECTS

    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage
    ) -> Any:
        fp.close()  # its body is not needed, and may have no end
        place = headers.get("location") or headers.get("uri") or ""
        target = urllib.parse.urlsplit(urllib.parse.urljoin(req.full_url, place))
        if target.scheme not in _ALLOWED_SCHEMES:
            raise PermanentTransferError(
                f"{code}: is sent on to {error_text(target.scheme)}://, and only http and https are followed"
            )
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: urllib.request.Request, *rest: Any) -> urllib.request.Request | None:
        new = super().redirect_request(req, *rest)
        if new is not None:
            new.headers = {name: value for name, value in new.headers.items() if name.lower() not in _ONE_HOST_HEADERS}
        return new
