"""Settings as nested dictionaries of plain values: read from YAML and from `key=value` arguments, merged, flattened,
compared."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cartoon_dist.console.escape import escape_line, first_control_character, truncated
from cartoon_dist.errors import ConfigError
from cartoon_dist.files.json_yaml import ParseError, UnsupportedError, parse_yaml, read_yaml

_MAX_DEPTH = 10


def load_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a YAML file; an empty file gives an empty one. ConfigError when it cannot be read as a mapping."""
    try:
        values = read_yaml(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}), give the path of a config file") from None
    except ParseError as error:
        raise ConfigError(f"{file}: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: a config is a mapping of settings, this holds a {type(values).__name__}")
    return values


def parse_override(argument: str) -> dict[str, Any]:
    """`loss.content.weight=1` -> {"loss": {"content": {"weight": 1}}}; the value is read as YAML reads it."""
    key, equals, text = argument.partition("=")
    # Here, as YAML would turn a line end into a space, and the argument itself is handed on to jobs.
    if character := first_control_character(argument):
        name = truncated(escape_line(key if equals else argument))
        raise ConfigError(f"{name}: holds {character}, which no setting may hold")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"'{truncated(argument)}' is neither a config file nor a setting, which is written key=value")
    if key.count(".") > _MAX_DEPTH:
        raise ConfigError(f"{truncated(key)}: no such setting")
    try:
        value = parse_yaml(text) if text else None
    except UnsupportedError as error:
        raise ConfigError(f"{truncated(key)}: {error}") from None
    except ParseError:
        value = text
    group, *inner = key.split(".")
    for part in reversed(inner):
        value = {part: value}
    return {group: value}


def parse_overrides(arguments: Iterable[str]) -> dict[str, Any]:
    """The settings of all `key=value` arguments together; a later one wins."""
    values: dict[str, Any] = {}
    for argument in arguments:
        merge(values, parse_override(argument))
    return values


def merge(target: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Merge values into the target, in place and group by group; a later value wins."""
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = dict(value) if isinstance(value, Mapping) else value


def to_dict(value: object) -> dict[str, Any]:
    """Settings as nested dictionaries of plain values, ready for YAML or JSON."""
    return _tuples_to_lists(dataclasses.asdict(value))  # type: ignore[call-overload]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as a single one, whose keys are dotted paths."""
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


def _tuples_to_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples_to_lists(item) for key, item in value.items()}
    return [_tuples_to_lists(item) for item in value] if isinstance(value, (tuple, list)) else value
