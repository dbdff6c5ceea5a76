"""Markup that text cannot break out of."""

import json
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cartoon_dist.console.escape import on_lines
from cartoon_dist.report.markup import Html, data, join, tag
from tests.hostile import NAMES

TEXT = st.text(
    st.sampled_from("ab<>&\"'/=!- script") | st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]),
    max_size=40,
)


class Parts(HTMLParser):
    """What a parser sees: elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_by_hand() -> None:
    assert tag("p", "a < b", class_="note") == '<p class="note">a &lt; b</p>'
    assert tag("img", src="x", hidden=True, alt=None) == '<img src="x" hidden>'
    assert tag("svg", tag("g", 1, None, 2.5), aria_hidden="true") == '<svg aria-hidden="true"><g>12.5</g></svg>'
    assert tag("meta", name="viewport") == '<meta name="viewport">'
    assert join("a&b", Html("<br>")) == "a&amp;b<br>"


@given(TEXT, TEXT)
def test_text_and_attributes_come_out_as_they_went_in(text: str, attribute: str) -> None:
    seen = Parts(tag("p", text, tag("b", text), title=attribute))
    assert [name for name, _ in seen.elements] == ["p", "b"]
    assert seen.elements[0][1] == {"title": attribute}
    assert seen.text == text * 2


@given(TEXT)
def test_data_cannot_close_its_element(text: str) -> None:
    written = data({"key": [text]}, id="held")
    inner = written.removeprefix('<script type="application/json" id="held">').removesuffix("</script>")
    assert "<" not in inner
    assert json.loads(inner) == {"key": [text]}


def test_what_is_not_finite_becomes_null() -> None:
    assert ">[1.5,null,null,{" in data([1.5, math.nan, math.inf, {"a": (math.nan,)}])
    assert data({"a": (math.nan, 2)}) == '<script type="application/json">{"a":[null,2]}</script>'


@pytest.mark.parametrize("name", NAMES)
def test_what_would_steer_the_writing_is_written_out(name: str) -> None:
    """On a page ends of lines are spaces; all else is refused or obeyed by some browser."""
    shown = on_lines(name)
    assert tag("p", name, title=name) == f'<p title="{shown}">{shown}</p>'
    inner = Parts(data({"a": [name], name: 1}, id="x")).text
    assert json.loads(inner) == {"a": [shown], shown: 1}
    assert data([name]).encode()
