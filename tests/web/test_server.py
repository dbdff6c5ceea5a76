"""The page that the command serves: used by gradio's own client and in a real browser, then ended."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from cartoon_dist.errors import ConfigError
from cartoon_dist.web.server import address_of, open_socket
from tests.browser import CHROMIUM, browser
from tests.running import LIMIT_SECONDS, ROOT, environment, script
from tests.web import opened

STYLES = ["hayao", "hosoda"]


class Served:
    """A page that runs. `said` is what it printed before it was ready."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.said: list[str] = []
        assert process.stderr
        while "open http://" not in "".join(self.said):
            line = process.stderr.readline()
            assert line, self.said
            self.said.append(line)
        self.address = self.said[-1].partition("open ")[2].split()[0]

    def files(self) -> list[Path]:
        """What lies in the folder for temporary files."""
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def stop(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal; the status, and what was printed after it was ready."""
        self.process.send_signal(number)
        printed, complained = self.process.communicate(timeout=LIMIT_SECONDS)
        return self.process.returncode, printed, complained


@contextmanager
def serving(folder: Path, models: Sequence[Path], *words: str) -> Iterator[Served]:
    """The command as a user starts it, on any free port; `folder` is where it may write what is temporary."""
    command = [sys.executable, str(ROOT / "launch/web.py"), *map(str, models), *words, "port=0"]
    pipe = subprocess.PIPE
    around = environment() | {"TMPDIR": str(folder)}
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env=around) as process:
        try:
            yield Served(process, folder)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def page(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("tmp"), models) as served:
        yield served


@pytest.fixture(scope="module")
def client(page: Served, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(
        page.address, download_files=tmp_path_factory.mktemp("downloads"), verbose=False, analytics_enabled=False
    )


def drawn_by_the_command(model: Path, photo: Path) -> opened.Pixels:
    out = photo.with_name(f"{photo.stem}-{model.stem}-command.png")
    done = script("launch/cartoonize.py", model, photo, out)
    assert done.returncode == 0, done.stderr
    return opened.rgb(out)


@pytest.mark.slow
def test_each_style_draws_what_the_command_draws(client: Client, models: list[Path], tmp_path: Path) -> None:
    photo = opened.write_photo(tmp_path / "wine.jpg", height=101, width=150)
    *sliders, files, words = client.predict(handle_file(str(photo)), STYLES, "as it is", api_name="/draw")
    assert words.startswith("150 x 101 pixels, 2 drawings, ")
    assert [Path(file).name for file in files["value"]] == ["wine-hayao.png", "wine-hosoda.png"]
    for model, slider, file in zip(models, sliders, files["value"], strict=True):
        before, after = map(Path, slider["value"])
        expected = drawn_by_the_command(model, photo)
        assert expected.std() > 10
        assert (opened.rgb(after) == expected).all()
        assert (opened.rgb(Path(file)) == expected).all()
        assert opened.rgb(before).shape == expected.shape


@pytest.mark.slow
def test_one_style_at_a_smaller_size(client: Client, tmp_path: Path) -> None:
    photo = opened.write_photo(tmp_path / "large.png", height=330, width=660)
    first, second, files, _ = client.predict(handle_file(str(photo)), STYLES[1:], "512 px", api_name="/draw")
    assert opened.rgb(Path(second["value"][1])).shape == (256, 512, 3)
    assert (first["visible"], second["visible"], len(files["value"])) == (False, True, 1)


@pytest.mark.slow
def test_what_cannot_be_drawn_is_told_and_the_page_goes_on(client: Client, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    photo = opened.write_photo(tmp_path / "a.png", height=40, width=60)
    for file, styles, size, told in (
        (tmp_path / "text.png", STYLES, "512 px", "Not a JPEG"),
        (photo, [], "512 px", "Choose a style"),
        (photo, STYLES, "9999999 px", "9999999 px"),
    ):
        with pytest.raises((AppError, ValueError), match=told):
            client.predict(handle_file(str(file)), styles, size, api_name="/draw")
    assert client.predict(handle_file(str(photo)), STYLES, "512 px", api_name="/draw")[-1].startswith("60 x 40 pixels")


@pytest.mark.slow
def test_in_a_browser_without_a_network(page: Served, tmp_path: Path) -> None:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on PATH to open a page in")
    with browser(tmp_path / "browser", opened.OFFLINE) as seen:
        seen.open(page.address)
        opened.wait_until(
            seen, "document.querySelector('button.primary') && document.querySelector('input[type=file]')"
        )
        opened.choose_file(seen, opened.write_photo(tmp_path / "seen.png", height=200, width=300))
        opened.wait_until(seen, "[...document.images].some(one => one.naturalWidth === 300)")
        seen.ask("document.querySelector('button.primary').click()")
        # The photo as it was sent, and for each style the photo and the drawing.
        opened.wait_until(seen, "[...document.images].filter(one => one.naturalWidth === 300).length >= 5")
        assert seen.ask("document.body.innerText").count("300 x 200 pixels") == 1
        assert seen.ask("fetch('http://127.0.0.2:9/', { mode: 'no-cors' }).then(() => 1, () => 0)") == 0
        ours = (page.address, f"blob:{page.address}", "data:")
        assert [one for one in seen.requests if not one.startswith(ours) and "127.0.0.2" not in one] == []
        failed = [line for line in seen.complaints if "Failed to load" in line and "127.0.0.2" not in line]
        assert failed == []


@pytest.mark.slow
def test_at_the_end_nothing_is_left(models: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    with serving(folder, models[:1], "host=127.0.0.2") as served:
        assert "anyone in the network" not in "".join(served.said)
        client = Client(served.address, download_files=tmp_path / "down", verbose=False, analytics_enabled=False)
        photo = opened.write_photo(tmp_path / "left.png", height=40, width=60)
        client.predict(handle_file(str(photo)), ["hayao"], "512 px", api_name="/draw")
        assert {path.name for path in served.files()} >= {"left.png", "left-hayao.png", "photo.jpg"}
        status, printed, complained = served.stop(signal.SIGINT)
        assert (status, printed) == (0, f"{served.address}: stopped; photos and drawings are deleted\n")
        assert complained == ""
        assert list(folder.iterdir()) == []
    assert list((ROOT / "cartoon_dist/web").glob("*.pyi")) == []  # which gradio writes beside classes of a component


def upload(address: str, photo: Path) -> int:
    """Send a file as the page does; the status of the answer."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{photo.name}"\r\n\r\n'
    body = head.encode() + photo.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}gradio_api/upload", body, kind)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


@pytest.mark.slow
def test_uploads_are_deleted_after_a_while_and_bounded(models: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    with serving(folder, models[:1], "host=0.0.0.0", "keep_minutes=0.02", "max_upload_megabytes=0.05") as served:
        assert served.said[0] == "warning: host=0.0.0.0: anyone in the network can open the page and send it photos\n"
        large = tmp_path / "large.png"
        large.write_bytes(os.urandom(60_000))
        assert upload(served.address, large) == 413
        assert upload(served.address, opened.write_photo(tmp_path / "small.png", height=40, width=60)) == 200
        while "small.png" in {path.name for path in served.files()}:  # the test's time limit ends this
            assert served.process.poll() is None
        status, _, complained = served.stop(signal.SIGTERM)
        assert (status, complained) == (0, "")
        assert list(folder.iterdir()) == []


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(ConfigError, match=r"port=\d+: is in use; choose another, or port=0"):
            open_socket("127.0.0.1", held.getsockname()[1])
    with pytest.raises(ConfigError, match="host=no such host: is no address of this machine"):
        open_socket("no such host", 0)


def test_the_address_is_one_to_type_into_a_browser() -> None:
    with open_socket("127.0.0.1", 0) as alone, open_socket("0.0.0.0", 0) as everywhere:
        assert address_of(alone) == f"http://127.0.0.1:{alone.getsockname()[1]}/"
        assert address_of(everywhere) == f"http://127.0.0.1:{everywhere.getsockname()[1]}/"
