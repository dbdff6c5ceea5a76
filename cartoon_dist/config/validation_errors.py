"""Error messages for wrong settings: each with its path, and a suggestion where a name is nearly right."""

import dataclasses
import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_type_hints

from pydantic import ValidationError

from cartoon_dist.console.escape import escape_line, first_control_character, truncated


def error_lines(error: ValidationError, paths: Collection[str]) -> list[str]:
    """A line for each mistake; `paths` are those of all settings, for suggestions."""
    return [
        f"{_dotted(e['loc'])}: {_error_text(e['msg'], e['type'], e['input'], _dotted(e['loc']), paths)}"
        for e in error.errors()
    ]


def setting_paths(kind: Any) -> list[str]:
    """The dotted path of every setting and group of settings of a kind."""
    paths = []
    for field in dataclasses.fields(kind):
        inner = get_type_hints(kind)[field.name]
        paths.append(field.name)
        if dataclasses.is_dataclass(inner):
            paths += [f"{field.name}.{path}" for path in setting_paths(inner)]
    return paths


def did_you_mean(path: str, paths: Collection[str]) -> str:
    """`, did you mean loss.content.weight?`, or nothing where no known path is near: one in full, or its last name.

    A name that differs only in its underscores, hyphens or capitals is the nearest: `batchsize`, `Batch-Size`.
    """
    deepest_first = sorted(paths, key=lambda path: path.count("."), reverse=True)
    by_name = {path.rpartition(".")[2]: path for path in deepest_first}
    same_path = [known for known in paths if _letters(known) == _letters(path)]
    last = path.rpartition(".")[2]
    same_name = [by_name[name] for name in by_name if name != last and _letters(name) == _letters(last)]
    near = same_path or same_name or difflib.get_close_matches(path, paths, 1, 0.75)
    near = near or [by_name[name] for name in difflib.get_close_matches(last, by_name, 1, 0.75)]
    return f", did you mean {near[0]}?" if near else ""


def _letters(path: str) -> str:
    return path.lower().replace("_", "").replace("-", "")


def find_forbidden_characters(values: object, path: str = "") -> Iterator[tuple[str, str]]:
    """The path and the first forbidden character of each text that has one: names of settings as well as values."""
    if isinstance(values, str) and (character := first_control_character(values)):
        yield path or "settings", character
    elif isinstance(values, Mapping):
        for key, value in values.items():
            inner = truncated(escape_line(f"{path}.{key}" if path else key))
            yield from find_forbidden_characters(key, inner)
            yield from find_forbidden_characters(value, inner)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from find_forbidden_characters(value, path)


def _dotted(location: tuple[int | str, ...]) -> str:
    return truncated(".".join(str(part) for part in location)) or "settings"


def _error_text(message: str, kind: str, value: object, path: str, paths: Collection[str]) -> str:
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"no such setting{did_you_mean(path, paths)}"
    message = message.removeprefix("Value error, ")
    return f"{message} (got {_truncated_repr(value)})" if kind != "missing" else "is missing"


def _truncated_repr(value: object) -> str:
    try:
        return truncated(repr(value))
    except ValueError:  # Python writes out no number of more than 4300 digits
        return "a number of thousands of digits"
