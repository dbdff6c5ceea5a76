"""Read settings from defaults, YAML files and `key=value` arguments; all mistakes are reported at once.

A config is YAML that holds only what differs from the defaults, then `key=value` arguments from the command line; of
several files the later wins. Each mistake comes with its path: `loss.content.weight: Input should be a valid number
(got 'many')`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from cartoon_dist.config.checks import conflicts
from cartoon_dist.config.overrides import flatten, load_yaml, merge, parse_overrides, to_dict
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import error_lines, find_forbidden_characters, setting_paths
from cartoon_dist.errors import ConfigError

Settings = TypeVar("Settings")


def read(kind: type[Settings], files: Sequence[Path], arguments: Sequence[str], **defaults: object) -> Settings:
    """Merge defaults, files and `key=value` arguments, later over earlier, into checked settings of the given kind.

    Raises ConfigError with every mistake, each with its path, on one line.
    """
    merged: dict[str, Any] = dict(defaults)
    for file in files:
        merge(merged, load_yaml(file))
    merge(merged, parse_overrides(arguments))
    return check(kind, merged)


def check(kind: type[Settings], values: object) -> Settings:
    """Turn plain values into settings, or raise ConfigError with every mistake in them.

    No text may hold line ends or control characters: settings are written into scripts, pages and logs.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"settings: are a mapping of names to values, not a {type(values).__name__}")
    settings, values = None, dict(values)
    errors = [
        f"{path}: holds {character}, which no setting may hold" for path, character in find_forbidden_characters(values)
    ]
    if errors:
        raise ConfigError("; ".join(errors))
    try:
        settings = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        errors = error_lines(error, setting_paths(kind))
    if kind is TrainSettings:
        errors += conflicts(flatten(to_dict(TrainSettings(run_dir=""))) | flatten(values))
    if errors or settings is None:
        raise ConfigError("; ".join(errors))
    return settings
