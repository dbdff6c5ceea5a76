"""Templates that text cannot break out of."""

import json
import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateAssertionError, UndefinedError
from markupsafe import Markup

from cartoon_dist.console.escape import escape_lines
from cartoon_dist.report.rendering import asset, environment
from tests.hostile import NAMES

TEXT = st.text(
    st.sampled_from("ab<>&\"'/=!-{}%# script") | st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp"]),
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


def rendered(template: str, **values: object) -> str:
    return environment().from_string(template).render(**values)


def script(values: object) -> str:
    return rendered('<script type="application/json">{{ values | tojson }}</script>', values=values)


def test_by_hand() -> None:
    assert (
        rendered('<p class="{{ a }}">{{ a }}</p>', a='x < "y"')
        == '<p class="x &lt; &#34;y&#34;">x &lt; &#34;y&#34;</p>'
    )
    assert rendered("{{ a }}{{ b }}{{ c }}", a="&", b=Markup("<br>"), c=2.5) == "&amp;<br>2.5"
    macro = '{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}{{ bold("<" ~ a) }}'
    assert rendered(macro, a=">") == "<b>&lt;&gt;</b>"


@given(TEXT, TEXT)
def test_text_and_attributes_come_out_as_they_went_in(text: str, attribute: str) -> None:
    parts = Parts(
        rendered('<p title="{{ attribute }}">{{ text }}<b>{{ text }}</b></p>', text=text, attribute=attribute)
    )
    assert [name for name, _ in parts.elements] == ["p", "b"]
    assert parts.elements[0][1] == {"title": attribute}
    assert parts.text == text * 2


@given(TEXT)
def test_json_cannot_close_its_element(text: str) -> None:
    inner = script({"key": [text]}).removeprefix('<script type="application/json">').removesuffix("</script>")
    assert not set("<>&") & set(inner)
    assert json.loads(inner) == {"key": [text]}


def test_what_is_not_finite_becomes_null() -> None:
    assert ">[1.5,null,null,{" in script([1.5, math.nan, math.inf, {"a": (math.nan,)}])
    assert script({"a": (math.nan, 2)}) == '<script type="application/json">{"a":[null,2]}</script>'


@pytest.mark.parametrize("name", NAMES)
def test_characters_that_steer_the_text_are_written_out(name: str) -> None:
    """On a page ends of lines are spaces; all else is refused or obeyed by some browser."""
    shown = escape_lines(name)
    assert rendered('<p title="{{ name }}">{{ name }}</p>', name=name) == f'<p title="{shown}">{shown}</p>'
    inner = Parts(script({"a": [name], name: 1})).text
    assert json.loads(inner) == {"a": [shown], shown: 1}
    assert script([name]).encode()


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendered("{{ nowhere }}")
    with pytest.raises(UndefinedError):
        rendered("{{ a.nowhere }}", a={})


@pytest.mark.parametrize("name", ["safe", "escape", "e", "forceescape", "xmlattr", "urlize", "join"])
def test_no_filter_makes_markup_of_unchecked_text(name: str) -> None:
    with pytest.raises(TemplateAssertionError):
        rendered(f"{{{{ a | {name} }}}}", a="\x1b")


def test_style_and_script_go_in_as_they_are() -> None:
    for name in ("page.css", "page.js"):
        assert rendered("{{ text }}", text=asset(name)) == asset(name)
        assert "</" not in asset(name)


@pytest.mark.parametrize("package", ["cartoon_dist.report", "cartoon_dist.tables"])
def test_every_template_compiles(package: str) -> None:
    names = environment(package).list_templates(extensions=["jinja"])
    assert "chart.html.jinja" in names
    for name in names:
        environment(package).get_template(name)
