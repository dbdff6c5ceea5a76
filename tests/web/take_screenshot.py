"""Makes the picture of docs/web.md: `python -m tests.web.take_screenshot docs/pictures/web.jpg [MODEL]`.

Writes a page without a server for the model, the built-in one by default, lets a browser draw a sample photo on it, and
saves what the browser shows. Needs Chromium, and npm to fetch onnxruntime-web.
"""

import base64
import sys
import tempfile
from pathlib import Path

from cartoon_dist.files.atomic import write_atomically
from cartoon_dist.hub.locate import locate_model
from cartoon_dist.web.static_page import write_static_page
from tests.browser import browser
from tests.running import ROOT
from tests.web import opened

PHOTO = ROOT / "shards/samples/photos/cincinnati-bridge.jpg"
_QUALITY = 82


def take(out: Path, model: str | None, folder: Path) -> None:
    """Write the picture to `out`; `folder` is for what is temporary."""
    write_static_page({"cartoon": locate_model(model)}, folder / "page", weights=None, runtime=None)
    with opened.served(folder / "page") as address, browser(folder / "browser", opened.OFFLINE, *opened.CAMERA) as page:
        page.open(address, height=872)
        opened.choose_file(page, PHOTO, "#file")
        opened.wait_until(page, "!at('draw').disabled && at('preview').naturalWidth")
        page.ask("at('draw').click()")
        opened.wait_until(page, "!page.timer && !at('result').hidden")
        shot = page.call("Page.captureScreenshot", format="jpeg", quality=_QUALITY)
    write_atomically(out, base64.b64decode(shot["data"]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        take(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None, Path(temporary))
