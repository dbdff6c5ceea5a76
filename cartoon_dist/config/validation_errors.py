"""What is said of settings that are wrong: each by its path, and what was meant where a name is nearly right."""

import dataclasses
import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import ValidationError

from cartoon_dist.console.escape import hidden, on_a_line, shortened


def complaints(error: ValidationError, paths: Collection[str]) -> list[str]:
    """A line for each mistake; `paths` are all that there are."""
    return [
        f"{_path(e['loc'])}: {_complaint(e['msg'], e['type'], e['input'], _path(e['loc']), paths)}"
        for e in error.errors()
    ]


def known(kind: Any) -> list[str]:
    """The dotted path of every setting and group of settings of a kind."""
    paths = []
    for field in dataclasses.fields(kind):
        inner = get_type_hints(kind)[field.name]
        paths.append(field.name)
        if dataclasses.is_dataclass(inner):
            paths += [f"{field.name}.{path}" for path in known(inner)]
    return paths


def meant(path: str, paths: Collection[str]) -> str:
    """`, did you mean loss.content.weight?`, or nothing where no known path is near: one in full, or its last name."""
    deepest_first = sorted(paths, key=lambda path: path.count("."), reverse=True)
    by_name = {path.rpartition(".")[2]: path for path in deepest_first}
    near = difflib.get_close_matches(path, paths, 1, 0.75)
    near = near or [by_name[name] for name in difflib.get_close_matches(path.rpartition(".")[2], by_name, 1, 0.75)]
    return f", did you mean {near[0]}?" if near else ""


def hidden_in(values: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Each text that must not be there, by its path: names of settings as well as values."""
    if isinstance(values, str) and (found := hidden(values)):
        yield path or "settings", found
    elif isinstance(values, Mapping):
        for key, value in values.items():
            inner = shortened(on_a_line(f"{path}.{key}" if path else key))
            yield from hidden_in(key, inner)
            yield from hidden_in(value, inner)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from hidden_in(value, path)


def _path(location: tuple[int | str, ...]) -> str:
    return shortened(".".join(str(part) for part in location)) or "settings"


def _complaint(message: str, kind: str, given: object, path: str, paths: Collection[str]) -> str:
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"no such setting{meant(path, paths)}"
    message = message.removeprefix("Value error, ")
    return f"{message} (got {_shown(given)})" if kind != "missing" else "is missing"


def _shown(given: object) -> str:
    try:
        return shortened(repr(given))
    except ValueError:  # Python writes out no number of more than 4300 digits
        return "a number of thousands of digits"
