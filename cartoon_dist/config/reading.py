"""The one way to read settings: defaults, YAML files and `key=value` words, checked with all mistakes told at once.

A config is YAML that says only what differs from the defaults, then `key=value` words from the command line; of several
files the later wins. Each mistake comes with its path: `loss.content.weight: Input should be a valid number (got
'many')`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from cartoon_dist.config.checks import conflicts
from cartoon_dist.config.overrides import flatten, load, merge, nest_all, plain
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.config.validation_errors import complaints, hidden_in, known
from cartoon_dist.errors import ConfigError

Settings = TypeVar("Settings")


def read(kind: type[Settings], files: Sequence[Path], words: Sequence[str], **defaults: object) -> Settings:
    """Merge defaults, files and `key=value` words, later over earlier, into checked settings of the given kind.

    Raises ConfigError with every mistake, each with its path, on one line.
    """
    merged: dict[str, Any] = dict(defaults)
    for file in files:
        merge(merged, load(file))
    merge(merged, nest_all(words))
    return check(kind, merged)


def check(kind: type[Settings], values: object) -> Settings:
    """Turn plain values into settings, or raise ConfigError with all that is wrong with them.

    No text in them holds what steers a terminal or ends a line: settings come to stand in scripts, pages and logs.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"settings: are a mapping of names to values, not a {type(values).__name__}")
    settings, values = None, dict(values)
    wrong = [f"{path}: holds {found}, which no setting may hold" for path, found in hidden_in(values)]
    if wrong:
        raise ConfigError("; ".join(wrong))
    try:
        settings = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        wrong = complaints(error, known(kind))
    if kind is TrainSettings:
        wrong += conflicts(flatten(plain(TrainSettings(run_dir=""))) | flatten(values))
    if wrong or settings is None:
        raise ConfigError("; ".join(wrong))
    return settings
