"""The page without a server: written by the command, served as plain files, used in a real browser."""

import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.web.static_page import write_static_page
from tests.browser import CHROMIUM, Page, browser
from tests.running import script
from tests.web import opened

DRAWN = "!page.timer && !at('result').hidden"


def test_a_file_in_the_folder_s_place_and_what_is_no_model(tmp_path: Path, models: list[Path]) -> None:
    (tmp_path / "page").write_text("")
    with pytest.raises(ConfigError, match="page: is a file; name a folder"):
        write_static_page({"a": models[0]}, tmp_path / "page", weights=None, runtime=None)


@pytest.fixture(scope="module")
def folder(models: list[Path], runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two models, one of them an .onnx already, under a path of its own."""
    root = tmp_path_factory.mktemp("served")
    first, second = root / "first", root / "sub/path"
    for page in (first, second):
        shutil.copytree(runtime, page / "runtime", copy_function=os.link)
    done = script("launch/web.py", "--static", first, models[1])
    assert done.returncode == 0, done.stderr
    onnx = first / "models/hosoda.onnx"
    done = script("launch/web.py", models[0], onnx, "--static", second)
    assert done.returncode == 0, done.stderr
    assert "python -m http.server" in done.stderr
    assert done.stdout.startswith(f"{second / 'index.html'}: a page that draws in the visitor's browser by 2 models, 4")
    assert (second / "models/hosoda.onnx").read_bytes() == onnx.read_bytes()  # as it is
    return root


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on PATH to open a page in")
    with (
        opened.served(folder) as address,
        browser(tmp_path_factory.mktemp("browser"), opened.OFFLINE, *opened.CAMERA) as page,
    ):
        page.open(f"{address}sub/path/")
        yield page


def choose(page: Page, photo: Path) -> None:
    opened.choose_file(page, photo, "#file")
    opened.wait_until(page, f"page.name === '{photo.stem}' && at('preview').naturalWidth")


def draw(page: Page, *, size: int, style: str = "hayao") -> None:
    page.ask(
        f"document.querySelector('[data-name={style}]').checked = true; at('size').value = '{size}';"
        "at('result').hidden = true; at('draw').click()"
    )
    opened.wait_until(page, "!page.timer")
    assert page.ask("at('trouble').textContent") == ""
    opened.wait_until(page, DRAWN)


@pytest.mark.slow
@pytest.mark.parametrize(("style", "height", "width"), [("hayao", 101, 150), ("hosoda", 64, 5)])
def test_the_browser_draws_what_the_command_draws(
    page: Page, models: list[Path], tmp_path: Path, style: str, height: int, width: int
) -> None:
    photo = opened.write_photo(tmp_path / f"{style}.png", height=height, width=width)
    model = next(path for path in models if path.stem == style)
    done = script("launch/cartoonize.py", model, photo, tmp_path / "drawn.png")
    assert done.returncode == 0, done.stderr
    choose(page, photo)
    draw(page, size=0, style=style)
    assert (opened.canvas_pixels(page, "#before") == opened.rgb(photo)).all()
    ours, theirs = opened.canvas_pixels(page, "#after"), opened.rgb(tmp_path / "drawn.png")
    assert ours.shape == (height, width, 3)
    assert theirs.std() > 10
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 2


@pytest.mark.slow
def test_nothing_is_asked_of_another_server_and_nothing_can_be(page: Page, tmp_path: Path) -> None:
    home = page.ask("location.origin")
    assert all(address.startswith((home, f"blob:{home}")) for address in page.requests), page.requests
    # Without the policy a browser would send this much to any server.
    asking = "fetch({}, {{ mode: 'no-cors' }}).then(() => {}, () => {})"
    # A worker as the page starts it keeps the page's policy.
    answering = asking.format("event.data", "postMessage('sent')", "postMessage('refused')")
    page.ask(f"window.probe = new Worker(URL.createObjectURL(new Blob([`onmessage = event => {answering}`])))")
    with opened.served(tmp_path) as other:
        for address, expected in ((other, "refused"), (page.ask("location.href"), "sent")):
            assert page.ask(asking.format(f"'{address}'", "'sent'", "'refused'")) == expected
            listening = "probe.onmessage = event => done(event.data)"
            assert page.ask(f"new Promise(done => {{ {listening}; probe.postMessage('{address}') }})") == expected
    page.complaints.clear()


@pytest.mark.slow
def test_sizes_orientation_and_alpha(page: Page, tmp_path: Path) -> None:
    upright = opened.write_photo(tmp_path / "turned.jpg", height=120, width=200)
    jpeg = upright.read_bytes()
    turned = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    upright.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(turned) + 2) + turned + jpeg[2:])
    choose(page, upright)
    draw(page, size=512)  # never larger than the photo
    assert opened.canvas_pixels(page, "#after").shape == (200, 120, 3)
    large = opened.write_photo(tmp_path / "large.png", height=330, width=660)
    choose(page, large)
    draw(page, size=512)
    assert opened.canvas_pixels(page, "#before").shape == (256, 512, 3)
    assert page.ask("at('status').textContent").startswith("512 x 256 pixels in ")


@pytest.mark.slow
def test_the_divider_follows_the_mouse_and_the_keys(page: Page, tmp_path: Path) -> None:
    choose(page, opened.write_photo(tmp_path / "divided.png", height=80, width=120))
    draw(page, size=0)
    box = "at('compare').getBoundingClientRect()"
    left, top, width, height = page.ask(f"['left', 'top', 'width', 'height'].map(one => {box}[one])")
    assert height == pytest.approx(width * 80 / 120, abs=1)
    y = top + height / 2
    opened.mouse(page, "mousePressed", left + width / 2, y)
    opened.mouse(page, "mouseMoved", left + width / 4, y)
    opened.mouse(page, "mouseReleased", left + width / 4, y)
    assert float(page.ask("at('divider').value")) == pytest.approx(25, abs=0.5)
    handle = page.ask(
        "(() => { const box = document.querySelector('.handle').getBoundingClientRect(); return box.left; })()"
    )
    assert handle == pytest.approx(left + width / 4 - 1.5, abs=1)
    page.ask("at('divider').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="End", code="End", windowsVirtualKeyCode=35)
    assert float(page.ask("at('divider').value")) == 100
    assert page.ask("getComputedStyle(at('after')).clipPath") == "inset(0px 0px 0px 100%)"


@pytest.mark.slow
def test_a_drawing_is_saved_as_png_and_jpeg(page: Page, tmp_path: Path) -> None:
    page.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    photo = opened.write_photo(tmp_path / "saved.png", height=40, width=60)
    choose(page, photo)
    draw(page, size=0, style="hosoda")
    for kind, name in (("png", "saved-hosoda.png"), ("jpeg", "saved-hosoda.jpg")):
        page.ask(f"at('{kind}').click()")
        while not (tmp_path / name).exists():
            page.ask("new Promise(done => setTimeout(done, 30))")
    assert (opened.rgb(tmp_path / "saved-hosoda.png") == opened.canvas_pixels(page, "#after")).all()
    assert opened.rgb(tmp_path / "saved-hosoda.jpg").shape == (40, 60, 3)


@pytest.mark.slow
def test_a_file_that_is_no_picture_is_refused_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    opened.choose_file(page, tmp_path / "text.png", "#file")
    opened.wait_until(page, "!at('trouble').hidden")
    assert page.ask("at('trouble').textContent").startswith(
        "text.png is no picture that this browser can read; save it"
    )
    choose(page, opened.write_photo(tmp_path / "next.png", height=40, width=60))
    assert page.ask("at('trouble').hidden")


@pytest.mark.slow
def test_a_drawing_can_be_cancelled_and_begun_again(page: Page, tmp_path: Path) -> None:
    choose(page, opened.write_photo(tmp_path / "again.png", height=40, width=60))
    page.ask("at('draw').click(); at('cancel').click()")
    assert page.ask("at('status').textContent") == "Cancelled"
    draw(page, size=0)
    assert opened.canvas_pixels(page, "#after").shape == (40, 60, 3)


@pytest.mark.slow
def test_a_photo_is_taken_with_the_camera(page: Page) -> None:
    page.ask("at('camera').click()")
    opened.wait_until(page, "at('viewfinder').open && at('video').videoWidth")
    page.ask("at('shoot').click()")
    opened.wait_until(page, "page.name === 'camera' && !at('viewfinder').open")
    assert page.ask("at('video').srcObject") is None  # the camera is off again
    draw(page, size=512)
    red, green, blue = opened.canvas_pixels(page, "#before").reshape(-1, 3).mean(0)
    assert green > 2 * max(red, blue)


@pytest.mark.slow
def test_the_browser_has_complained_of_nothing(page: Page) -> None:
    # That there is no graphics card to draw with is no complaint.
    assert [line for line in page.complaints if "No available adapters" not in line] == []


@pytest.mark.slow
def test_opened_as_a_file_it_says_what_to_type(folder: Path, tmp_path: Path) -> None:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on PATH to open a page in")
    with browser(tmp_path / "browser", opened.OFFLINE) as page:
        page.open(folder / "sub/path/index.html")
        assert "python -m http.server" in page.ask("at('trouble').textContent")


@pytest.mark.slow
def test_what_is_no_model_leaves_no_page(tmp_path: Path, runtime: Path) -> None:
    (tmp_path / "runtime").symlink_to(runtime)
    (tmp_path / "a.onnx").write_text("no model")
    with pytest.raises(CheckpointError, match="is no ONNX file"):
        write_static_page({"a": tmp_path / "a.onnx"}, tmp_path, weights=None, runtime=None)
    assert not (tmp_path / "index.html").exists()
