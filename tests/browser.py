"""A page in headless Chromium, driven over its debugging pipe: what it loads, what it complains of, what it holds."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """An open page. `requests` are the addresses it asked for, `complaints` its errors."""

    def __init__(self, sends: BinaryIO, reads: BinaryIO) -> None:
        self.sends, self.reads = sends, reads
        self.session: str | None = None
        self.number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.is_loaded = False

    def call(self, method: str, **values: object) -> dict[str, Any]:
        """Ask the browser for something and wait for its answer, noting what happens meanwhile."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        self.sends.write(json.dumps(message).encode() + b"\0")
        self.sends.flush()
        while (heard := self._next()).get("id") != self.number:
            pass
        assert "error" not in heard, heard
        result: dict[str, Any] = heard["result"]
        return result

    def open(self, page: Path | str, *, width: int = 1400, height: int = 900) -> None:
        """Open a file, or an address, and wait until it and its pictures are loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url=page if isinstance(page, str) else page.resolve().as_uri())
        while not self.is_loaded:
            self._next()

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def _next(self) -> dict[str, Any]:
        held = bytearray()
        while (byte := self.reads.read(1)) != b"\0":
            assert byte, "the browser is gone"
            held += byte
        heard: dict[str, Any] = json.loads(held)
        values = heard.get("params", {})
        match heard.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(values["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(values["exceptionDetails"]))
            case "Log.entryAdded" | "Runtime.consoleAPICalled":
                self.complaints.append(str(values))
            case "Page.loadEventFired":
                self.is_loaded = True
        return heard


@contextmanager
def browser(folder: Path, *flags: str) -> Iterator[Page]:
    """A browser whose own files lie in `folder`; flags: more words of its command line."""
    assert CHROMIUM
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
    # The browser listens on descriptor 3 and answers on 4.
    command = ["bash", "-c", f'exec 3<&{theirs_in} 4>&{theirs_out}; exec "$@"', "bash", CHROMIUM, *words]
    with subprocess.Popen(
        [*command, *flags, f"--user-data-dir={folder}", "about:blank"],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        os.close(theirs_in)
        os.close(theirs_out)
        with os.fdopen(ours_out, "wb") as sends, os.fdopen(ours_in, "rb") as reads:
            page = Page(sends, reads)
            try:
                yield page
                page.session = None
                with suppress(AssertionError, OSError):
                    page.call("Browser.close")
            finally:
                child.terminate()
