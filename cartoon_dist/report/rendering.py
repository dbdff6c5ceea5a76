"""HTML from templates: every value is escaped when it is put in, and characters that steer the text are written out.

A page shows text from outside: names of files, settings, scores. Jinja escapes what would be markup. What would steer
the text itself, such as a mark that turns its direction around, is written out as on a terminal.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cartoon_dist.console.escape import escape_lines
from cartoon_dist.files.json_values import nan_to_none

_PACKAGE = "cartoon_dist.report"


@cache
def environment(package: str = _PACKAGE) -> Environment:
    """The templates of a package, which may import those of the report. An unknown name in a template is an error."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Only these filters are there: `safe`, `escape` and others make markup of text that `_printable` has not seen.
    made.filters = {name: made.filters[name] for name in ("length", "tojson")}
    made.policies["json.dumps_function"] = _to_json
    made.policies["json.dumps_kwargs"] = {}
    return made


def asset(name: str) -> Markup:
    """A style or script of ours, which goes into a page as it is."""
    return Markup(files(_PACKAGE).joinpath("templates", name).read_text(encoding="utf-8"))


def _printable(value: object) -> object:
    """What stands in the page for a value of a template, before it is escaped."""
    return value if isinstance(value, Markup) else escape_lines(str(value))


def _to_json(values: Any) -> str:
    """JSON for a script to read; what is not finite becomes null. The filter escapes what could close the element."""
    return json.dumps(_with_printable_texts(nan_to_none(values)), separators=(",", ":"), allow_nan=False)


def _with_printable_texts(values: Any) -> Any:
    if isinstance(values, dict):
        return {escape_lines(str(key)): _with_printable_texts(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_with_printable_texts(value) for value in values]
    return escape_lines(values) if isinstance(values, str) else values
