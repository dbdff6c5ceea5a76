"""The pages of docs/ as a site: built strictly without a network, and no page of it loads anything from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, browser
from tests.running import LIMIT_SECONDS, ROOT
from tests.web import opened

REFUSES = """
import socket

def refuse(*_):
    raise OSError("a build of the pages asked for the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""
LOADED = {"src", "srcset", "poster", "data"}
"""The attributes by which a page loads something, beside a link element's address."""


class Loads(HTMLParser):
    """What a page loads when it is opened: not where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in LOADED or (tag, name) == ("link", "href")]


def build(folder: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Type mkdocs in `folder`, in a process that gets no connection."""
    (out.parent / "sitecustomize.py").write_text(REFUSES)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(out.parent), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "site"
    done = build(ROOT, out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_every_page_is_there_and_loads_only_what_lies_beside_it(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert Path("index.html") in pages
    assert [page for page in pages if not (site / page).is_file()] == []
    for page in site.rglob("*.html"):
        loads = Loads(page.read_text(encoding="utf-8")).found
        assert loads
        assert [address for address in loads if re.match(r"(\w+:)?//", address)] == [], page
        # The page of a missing address stands at any address, so what it loads is counted from the top.
        there = [
            page.parent / address.split("?")[0] for address in loads if not address.startswith(("data:", "/", "#"))
        ]
        assert [path for path in there if not path.exists()] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"url\([\"']?(?:https?:)?//|@import", styles) == []


@pytest.mark.slow
def test_only_pages_and_pictures_are_given_out(site: Path) -> None:
    kinds = {path.suffix for path in site.rglob("*") if path.is_file() and "assets" not in path.relative_to(site).parts}
    assert kinds <= {".html", ".png", ".jpg", ".json", ".xml", ".gz"}
    assert [path.relative_to(site).as_posix() for path in site.rglob("*.json")] == ["search/search_index.json"]


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium on PATH to open a page in")
def test_a_browser_asks_only_our_host_and_finds_words(site: Path, tmp_path: Path) -> None:
    with opened.served(site) as address, browser(tmp_path, opened.OFFLINE) as page:
        page.open(f"{address}index.html")
        assert page.ask("[...document.images].length && [...document.images].every(image => image.naturalWidth > 0)")
        page.ask(
            "document.querySelector('[data-md-toggle=search]').click();"
            "document.querySelector('[data-md-component=search-query]').focus()"
        )
        page.call("Input.insertText", text="preemption")
        opened.wait_until(page, "document.querySelectorAll('.md-search-result__item').length > 0")
        assert [asked for asked in page.requests if not asked.startswith((address, "data:", "blob:"))] == []
        assert page.complaints == []


@pytest.fixture
def one_page(tmp_path: Path) -> Path:
    """A project with this one's settings and a single page."""
    (tmp_path / "clone/docs/folder").mkdir(parents=True)
    for name in ("mkdocs.yml", "docs/site_hook.py", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    (tmp_path / "clone/one.yml").write_text("INHERIT: mkdocs.yml\nnav: [index.md]\n")
    return tmp_path / "clone"


def test_what_github_shows_is_shown_by_the_site(one_page: Path, tmp_path: Path) -> None:
    (one_page / "docs/index.md").write_text(
        "# One page: `a`, b\n\n[LICENSE](../LICENSE), [terms](../LICENSE), [runs](folder), [here](#one-page-a-b)\n"
        "* an item\n* `../LICENSE`\n\n```\ntext\n* no item [LICENSE](../LICENSE)\n```\n\n| a |\n|---|\n| `x\\|y` |\n"
    )
    done = build(one_page, tmp_path / "site", "--config-file", "one.yml")
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert "<p><code>LICENSE</code>, terms (<code>LICENSE</code>), runs (<code>docs/folder</code>), <a " in html
    assert "<li>an item</li>\n<li><code>../LICENSE</code></li>" in html
    assert "* no item [LICENSE](../LICENSE)" in html
    assert "<td><code>x|y</code></td>" in html


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a](gone.md)", "gone.md"),
        ("[a](#gone)", "#gone"),
        ("[a](../gone.yaml)", "../gone.yaml"),
        ("[a](../../outside.yaml)", "../../outside.yaml"),
        ("![a](gone.png)", "gone.png"),
    ],
)
def test_a_link_to_nothing_is_a_failure(one_page: Path, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "outside.yaml").write_text("")
    (one_page / "docs/index.md").write_text(f"# One page\n\n{text}\n")
    done = build(one_page, tmp_path / "site", "--config-file", "one.yml")
    assert done.returncode == 1
    assert f"'{said}'" in done.stderr
    assert "Aborted with 1 warnings in strict mode!" in done.stdout + done.stderr


def test_a_page_that_nothing_leads_to_is_a_failure(one_page: Path, tmp_path: Path) -> None:
    (one_page / "docs/index.md").write_text("# One page\n")
    (one_page / "docs/lost.md").write_text("# Another\n")
    done = build(one_page, tmp_path / "site", "--config-file", "one.yml")
    assert done.returncode == 1
    assert "lost.md" in done.stderr
