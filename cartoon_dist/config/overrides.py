"""Settings as nested dictionaries of plain values: read from YAML and from `key=value` words, merged, flattened,
compared."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cartoon_dist.console.escape import hidden, on_a_line, shortened
from cartoon_dist.errors import ConfigError
from cartoon_dist.files.json_yaml import RefusedError, UnreadableError, yaml_file, yaml_text

_MOST_DOTS = 10


def load(file: Path) -> dict[str, Any]:
    """A YAML file's mapping; an empty file is an empty one. ConfigError when it is no such thing."""
    try:
        values = yaml_file(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}), give the path of a config file") from None
    except UnreadableError as error:
        raise ConfigError(f"{file}: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: a config is a mapping of settings, this holds a {type(values).__name__}")
    return values


def nest(word: str) -> dict[str, Any]:
    """`loss.content.weight=1` -> {"loss": {"content": {"weight": 1}}}; the value is read as YAML reads it."""
    key, sign, text = word.partition("=")
    if found := hidden(word):  # YAML would make a space of a line end, and the word itself is handed on to jobs
        name = shortened(on_a_line(key if sign else word))
        raise ConfigError(f"{name}: holds {found}, which no setting may hold")
    if not sign or not all(key.split(".")):
        raise ConfigError(f"'{shortened(word)}' is neither a config file nor a setting, which is written key=value")
    if key.count(".") > _MOST_DOTS:
        raise ConfigError(f"{shortened(key)}: no such setting")
    try:
        value = yaml_text(text) if text else None
    except RefusedError as error:
        raise ConfigError(f"{shortened(key)}: {error}") from None
    except UnreadableError:
        value = text
    group, *inner = key.split(".")
    for part in reversed(inner):
        value = {part: value}
    return {group: value}


def nest_all(words: Iterable[str]) -> dict[str, Any]:
    """All the words' settings, later over earlier."""
    values: dict[str, Any] = {}
    for word in words:
        merge(values, nest(word))
    return values


def merge(onto: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Lay values over others, group by group; a later value wins."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(onto.get(key), dict):
            merge(onto[key], value)
        else:
            onto[key] = dict(value) if isinstance(value, Mapping) else value


def plain(value: object) -> dict[str, Any]:
    """Settings as nested dictionaries of plain values, ready for YAML or JSON."""
    listed = dataclasses.asdict(value)  # type: ignore[call-overload]
    return _lists(listed)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted paths for keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def differences(old: Mapping[str, Any], new: Mapping[str, Any], ignored: frozenset[str]) -> list[str]:
    """Each setting that differs, as `path: old -> new`; `ignored` holds paths, or whole groups, that may differ."""
    before, after = flatten(old), flatten(new)
    return [
        f"{path}: {before.get(path)} -> {after.get(path)}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path) and path not in ignored and path.split(".")[0] not in ignored
    ]


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, (tuple, list)) else value
