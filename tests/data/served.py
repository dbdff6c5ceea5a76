"""A folder behind http on this machine, by the standard library's server, which can be told to answer badly."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.running import LIMIT_SECONDS

DRIP, FLOOD = b"<drip>", b"<flood>"
FLOOD_BYTES = 1 << 28


class Served:
    """What is asked for is counted by file name; `answers[NAME]` says how the next requests for it are answered: by a
    status, `damaged` bytes, `cut` in the middle, `held` in the middle until the end, or bytes: these and nothing else,
    the last one again and again, a hundred times a second, when DRIP follows, and without a pause when FLOOD does."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.answers: defaultdict[str, list[int | str | bytes]] = defaultdict(list)
        self.is_held, self.go_on = threading.Event(), threading.Event()
        self.url = ""
        self.num_sent = 0  # of a flood, in bytes
        self.headers: list[dict[str, str]] = []


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, served: Served, *rest: object, **more: object) -> None:
        self.served = served
        super().__init__(*rest, **more)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.served.asked[name] += 1
        self.served.headers.append(dict(self.headers))
        answer = self.served.answers[name].pop(0) if self.served.answers[name] else 200
        if isinstance(answer, bytes):
            self._say(answer)
            return
        path = Path(self.translate_path(self.path))
        if isinstance(answer, int) and answer != 200:
            self.send_error(answer)
            return
        if not path.is_file():
            self.send_error(404)
            return
        content = bytearray(path.read_bytes())
        half = len(content) // 2
        if answer == "damaged":
            content[half] ^= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:half])
        if answer == "held":
            self.wfile.flush()
            self.served.is_held.set()
            self.served.go_on.wait(LIMIT_SECONDS)
        if answer != "cut":
            self.wfile.write(content[half:])

    def _say(self, answer: bytes) -> None:
        plain = answer.removesuffix(DRIP).removesuffix(FLOOD)
        self.close_connection = True
        with suppress(ConnectionError):  # the other side has had enough
            self.wfile.write(plain)
            if answer.endswith(DRIP):
                for _ in range(LIMIT_SECONDS * 100):
                    if self.served.go_on.wait(0.01):
                        return
                    self.wfile.write(plain[-1:])
            elif answer.endswith(FLOOD):
                for _ in range(FLOOD_BYTES // 2**16):
                    self.wfile.write(plain[-1:] * 2**16)
                    self.served.num_sent += 2**16

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve a folder until the block ends."""
    state = Served()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, state, directory=str(folder))) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.go_on.set()
            server.shutdown()
            thread.join()
