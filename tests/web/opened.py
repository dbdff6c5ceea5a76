"""A page in the tests' browser, used as a visitor uses it, and files served as any plain server hands them out."""

import base64
import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tests.browser import Page
from tests.running import ROOT

OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
"""For a browser that reaches this machine alone."""
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
"""For a browser with a camera that shows a green picture."""

LIMIT_SECONDS = 240
"""What a page has not done by then it never does, also on a machine that does much else."""

Pixels = npt.NDArray[np.uint8]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder, served as `python -m http.server` does."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def choose_file(page: Page, path: Path, selector: str = "input[type=file]") -> None:
    """Choose a file in the page's dialog."""
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
    page.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


def wait_until(page: Page, condition: str) -> None:
    """Wait for a JavaScript expression to be true; an error where it is not after minutes."""
    waiting = "new Promise((done, fail) => { const begun = Date.now(); const look = () => { "
    waiting += f"if ({condition}) done(); else if (Date.now() - begun > {LIMIT_SECONDS * 1000}) fail('never'); "
    page.ask(waiting + "else setTimeout(look, 30); }; look(); })")


def mouse(page: Page, kind: str, x: float, y: float) -> None:
    """Move the mouse, or press or release its left button."""
    held = {"mousePressed": 1, "mouseMoved": 1, "mouseReleased": 0}[kind]
    page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=held, clickCount=1)


def canvas_pixels(page: Page, selector: str) -> Pixels:
    """The pixels of a canvas, (h, w, 3) RGB."""
    address: str = page.ask(f"document.querySelector('{selector}').toDataURL('image/png')")
    png = base64.b64decode(address.partition(",")[2])
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], np.uint8)


def rgb(path: Path) -> Pixels:
    """A picture file's pixels, (h, w, 3) RGB."""
    return np.asarray(cv2.imread(str(path))[..., ::-1], np.uint8)


def write_photo(path: Path, *, height: int, width: int) -> Path:
    """A part of a sample photo and its copies side by side, as the file's ending says."""
    photo = np.tile(cv2.imread(str(ROOT / "shards/samples/photos/wine.jpg")), (1, 3, 1))
    assert cv2.imwrite(str(path), photo[100 : 100 + height, 100 : 100 + width])
    return path
