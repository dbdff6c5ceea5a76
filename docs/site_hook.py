"""Fits the pages, which are written for a clone and for GitHub, to the site that `make docs` builds of them.

mkdocs.yml names it; mkdocs calls `on_page_markdown` and `on_page_content` for each page. Three things differ: a link
may lead to a file of the repository that is no page (`../configs/demo.yaml`), a list may follow a line of text without
an empty line, and in a table a bar inside code is written with a backslash, which only GitHub takes away.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#|/)([^)#\s]+)\)")
ITEM = re.compile(r"(?:[*-]|\d+\.) ")
FENCE = "```"
CELL = re.compile(r"<td[ >].*?</td>", re.DOTALL)


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """The text of a page as the site needs it; `page` and `config` are mkdocs' own."""
    docs = Path(config.docs_dir).resolve()
    folder = (docs / page.file.src_uri).parent
    return "\n".join(
        line if is_code else LINK.sub(lambda link: _named(link, folder, docs), line)
        for line, is_code in _with_lists_apart(markdown)
    )


def on_page_content(html: str, **_: Any) -> str:
    """The page's HTML with plain bars in the cells of its tables."""
    return CELL.sub(lambda cell: cell.group().replace("\\|", "|"), html)


def _with_lists_apart(markdown: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is code; an empty line comes before a list that follows a line of text."""
    is_code = False
    before = ""
    for line in markdown.split("\n"):
        is_fence = line.lstrip().startswith(FENCE)
        if not is_code and ITEM.match(line) and before and not ITEM.match(before) and not before.startswith(" "):
            yield "", False
        yield line, is_code or is_fence
        is_code ^= is_fence
        before = line


def _named(link: re.Match[str], folder: Path, docs: Path) -> str:
    """The link, or where it leads as text, where that is in the repository but on no site: not in docs/, or a folder.

    A link to nothing stays as it is, so that the build fails on it.
    """
    text, target = link.groups()
    path = (folder / target).resolve()
    root = docs.parent
    is_on_site = path.is_relative_to(docs) and not path.is_dir()
    if is_on_site or not path.exists() or not path.is_relative_to(root):
        return link.group()
    place = path.relative_to(root).as_posix()
    return f"`{place}`" if place.endswith(text.strip("`/")) else f"{text} (`{place}`)"
