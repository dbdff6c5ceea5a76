"""The report of a real run, opened in a real browser without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, Page, browser
from tests.running import ROOT, train

STEPS = 30


@pytest.fixture(scope="module")
def page(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if not CHROMIUM:
        pytest.skip("there is no Chromium on PATH to open a page in")
    run = tmp_path_factory.mktemp("runs") / "run"
    folders = [f"data.photos={shards / 'photos'}", f"data.cartoons={shards / 'cartoons'}", f"run_dir={run}"]
    cheap = ["loss.content.weight=0", "warmup.loss=pixel", f"max_steps={STEPS}", "sample_every=10", "epochs=20"]
    done = train([ROOT / "tests/tiny.yaml", *folders, *cheap])
    assert done.returncode == 0, done.stderr
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        opened.open(run / "report.html")
        yield opened


def test_nothing_is_asked_for_and_nothing_complained_of(page: Page) -> None:
    [opened, *more] = [address for address in page.requests if not address.startswith("data:image/png;base64,")]
    assert opened.startswith("file://")
    assert more == []
    assert page.complaints == []
    assert page.ask("performance.getEntriesByType('resource').filter(one => !one.name.startsWith('data:')).length") == 0


def test_every_picture_decodes_and_the_newest_is_shown(page: Page) -> None:
    pictures = page.ask(
        "Promise.all([...document.images].map(one => one.decode().then("
        "() => [one.naturalWidth, one.naturalHeight, one.hidden, one.alt])))"
    )
    # Two photos of 32 pixels under a caption of 14, in four columns.
    assert [picture[:2] for picture in pictures] == [[128, 78]] * 4
    assert [picture[2] for picture in pictures] == [True, True, True, False]
    assert [picture[3].split()[-1] for picture in pictures] == ["0", "10", "20", "30"]
    shown = page.ask("(() => { const at = document.images[3].getBoundingClientRect(); return at.width; })()")
    assert shown > 3 * 128


def test_curves_have_points_inside_their_frames(page: Page) -> None:
    lines = page.ask(
        "[...document.querySelectorAll('.chart')].map(one => [one.id,"
        " [...one.querySelectorAll(':scope > svg polyline')]"
        ".map(line => [...line.points].map(point => [point.x, point.y]))])"
    )
    drawn = dict(lines)
    assert {"adversarial", "loss-pixel", "loss-saliency", "judged", "rates", "speed", "waiting"} <= drawn.keys()
    assert len(drawn["judged"]) == 2 * 3  # real, generated, smoothed, each faint and smoothed
    assert len(drawn["loss-saliency"][0]) == STEPS
    for points in (point for line in drawn.values() for point in line):
        assert all(64 <= x <= 452 and 18 <= y <= 192 for x, y in points)
    assert page.ask("document.querySelectorAll('.warmup rect').length") == len(drawn)


def test_the_slider_chooses_the_picture(page: Page) -> None:
    page.ask(
        "(() => { const slider = document.querySelector('#samples input'); slider.value = 1;"
        " slider.dispatchEvent(new Event('input')); })()"
    )
    assert page.ask("[...document.images].map(one => one.hidden)") == [True, False, True, True]
    assert page.ask("document.querySelector('#samples output').textContent") == "after step 10"


def test_pointing_at_a_curve_reads_its_value(page: Page) -> None:
    page.ask("document.querySelector('#rates').scrollIntoView()")
    left, top, width, height = page.ask(
        "(() => { const at = document.querySelector('#rates > svg').getBoundingClientRect();"
        " return [at.left, at.top, at.width, at.height]; })()"
    )
    # The axis goes from step 0, at 64 of 460 units, to step 30 at 452.
    x = left + width * (64 + (452 - 64) * 2 / STEPS) / 460
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=top + height / 2)
    read = "[...document.querySelectorAll('#rates .legend li')].map(one => one.textContent)"
    assert page.ask(read) == ["lr/generator 0.0002", "lr/discriminator no value", "at step 2"]
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    assert page.ask(read)[-1] == ""
    assert page.complaints == []


def test_dark_and_light_differ_and_both_can_be_read(page: Page) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colours[scheme] = page.ask(
            "['body', '.note', 'polyline.c0', 'polyline.c1'].map(one => getComputedStyle(document.querySelector(one)))"
            ".flatMap((style, number) => number ? [number > 1 ? style.stroke : style.color]"
            " : [style.backgroundColor, style.color])"
        )
    for behind, *inks in colours.values():
        assert min(contrast(behind, ink) for ink in inks) >= 4.5
    assert contrast(colours["light"][0], colours["dark"][0]) > 10


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two colours that are written `rgb(r, g, b)`."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    shares = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
