"""Serves the page until it is told to stop, and leaves nothing of a visitor behind."""

import errno
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from cartoon_dist.errors import ConfigError
from cartoon_dist.web.gradio_library import import_gradio
from cartoon_dist.web.gradio_page import build_page, stylesheet
from cartoon_dist.web.styles import PhotoLimits, Style

_GRACE_SECONDS = 2
"""For answers that are on their way when the server is told to stop; a page that is open keeps a line for ever."""
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'"
)
"""For a browser: load nothing from anywhere else, whatever gradio's own pages ask for."""

Scope = MutableMapping[str, Any]


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens, so that a visitor can come as soon as the server is told of; port 0: any free one.

    ConfigError where the port is taken, or the host is none of this machine.
    """
    try:
        [family, kind, protocol, _, address] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"host={host}: is no address of this machine ({error.strerror}); try 127.0.0.1") from None
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port={port}: is in use; choose another, or port=0 for any that is free") from None
        raise ConfigError(f"host={host} port={port}: cannot be listened on ({error.strerror}); choose others") from None
    return listening


def address_of(listening: socket.socket) -> str:
    """What to type into a browser of this machine."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(
    styles: Sequence[Style],
    limits: PhotoLimits,
    listening: socket.socket,
    *,
    max_waiting: int,
    keep_seconds: int,
    on_ready: Callable[[], None],
) -> None:
    """Serve the page on a socket until Ctrl-C or SIGTERM; ConfigError where gradio is missing.

    Uploads and drawings lie in a folder of their own, of which nothing is left at the end. on_ready: called before the
    first visitor is answered.
    """
    stopped = threading.Event()
    with _private_folder() as folder:
        gradio = import_gradio()
        import uvicorn
        from fastapi import FastAPI

        page = build_page(
            styles,
            limits,
            max_waiting=max_waiting,
            keep_seconds=keep_seconds,
            folder=folder,
            is_stopped=stopped.is_set,
        )
        app = gradio.mount_gradio_app(
            FastAPI(openapi_url=None),
            page,
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            max_file_size=limits.max_bytes,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            theme=_theme(gradio),
            css=stylesheet(),
        )
        config = uvicorn.Config(
            _WithPolicy(app, stopped), log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE_SECONDS
        )
        on_ready()
        with _stops(stopped), suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


class _WithPolicy:
    """The app, each of whose answers tells the browser to load nothing from elsewhere and to keep nothing."""

    def __init__(self, app: Any, stopped: threading.Event) -> None:
        self._app, self._stopped = app, stopped

    async def __call__(self, scope: Scope, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Answer a request, as ASGI has it."""

        async def send_with_policy(message: Scope) -> None:
            if message["type"] == "http.response.start":
                more = [(b"content-security-policy", _POLICY.encode()), (b"referrer-policy", b"no-referrer")]
                message["headers"] = [*message.get("headers", ()), *more]
            await send(message)

        async def receive_noted() -> Any:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._stopped.set()
            return message

        await self._app(scope, receive_noted, send_with_policy)


def _theme(gradio: Any) -> Any:
    """gradio's own, with the fonts that a computer has: others would be fetched from the network."""
    return gradio.themes.Default(
        primary_hue="orange", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder for drawings, which only this user may read; beside it lies gradio's, with uploads and copies of the
    drawings. Both are deleted at the end. gradio must not have been imported before."""
    with tempfile.TemporaryDirectory(prefix="cartoon-web-", ignore_cleanup_errors=True) as folder:
        for name in ("gradio", "drawn"):
            (Path(folder) / name).mkdir()
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "gradio")
        yield Path(folder) / "drawn"


@contextmanager
def _stops(stopped: threading.Event) -> Iterator[None]:
    """SIGTERM ends the server as Ctrl-C does: uvicorn raises each signal again when it has shut down."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
