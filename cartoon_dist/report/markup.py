"""HTML and SVG that cannot be broken out of: whatever is not markup already is escaped when it is put in.

What would steer the writing of a page, such as a mark that turns its direction around, is written out.
"""

import json
from html import escape
from typing import Any

from cartoon_dist.console.escape import on_lines
from cartoon_dist.files.json_values import finite

_VOID = frozenset({"img", "input", "meta"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element: `tag("p", "a < b", class_="note")` is `<p class="note">a &lt; b</p>`.

    An attribute's trailing underscore is dropped and inner ones become hyphens; None leaves it out, True writes it
    bare.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    opening = f"<{name}{written}>"
    return Html(opening if name in _VOID else f"{opening}{join(*children)}</{name}>")


def join(*parts: object) -> Html:
    """Parts one after the other; those that are not markup are escaped, and None is nothing."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in parts if part is not None))


def data(values: Any, **attributes: object) -> Html:
    """Values for a script to read, as JSON that cannot close its element; what is not finite becomes null."""
    text = json.dumps(_shown(finite(values)), separators=(",", ":"), allow_nan=False)
    return tag("script", Html(text.replace("<", "\\u003c")), type="application/json", **attributes)


def _escaped(value: object) -> str:
    return escape(on_lines(str(value)))


def _shown(values: Any) -> Any:
    if isinstance(values, dict):
        return {on_lines(str(key)): _shown(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_shown(value) for value in values]
    return on_lines(values) if isinstance(values, str) else values


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_escaped(value)}"'
