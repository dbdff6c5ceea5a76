"""The words of a command line: paths, settings written `key=value`, and flags, which say what a command does.

Settings that were options with a value before (`--weights raw`) are still read so, with a warning.
"""

import argparse
import dataclasses
import re
import shlex
from collections.abc import Collection, Sequence
from typing import Any, TypeVar, get_args, get_type_hints

from cartoon_dist.config import overrides
from cartoon_dist.config.reading import check
from cartoon_dist.config.validation_errors import did_you_mean, setting_paths
from cartoon_dist.console.escape import truncated
from cartoon_dist.console.messages import print_message
from cartoon_dist.errors import ConfigError

Settings = TypeVar("Settings")

SETTING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*=")
"""How a word that is a setting begins."""


def key_of(word: str) -> str:
    """`score.photos` of `score.photos=test`."""
    return word.partition("=")[0]


def add_renamed(parser: argparse.ArgumentParser, option: str, key: str) -> None:
    """Let the parser take `option VALUE`, which --help does not show, as the setting `key=VALUE`; see `parse`."""
    parser.add_argument(option, action=_Renamed, dest="renamed", default=[], metavar=key, help=argparse.SUPPRESS)


def warn_of_renamed(old: str, new: str) -> None:
    """Say that a spelling is an old one; it goes on working."""
    print_message(f"warning: {old} is now {new}")


class _Renamed(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 (argparse calls it so)
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Note the option as a setting, on one line."""
        word = f"{self.metavar}={chr(32).join(values.splitlines())}"
        warn_of_renamed(f"{self.option_strings[0]} {shlex.quote(values)}", shlex.quote(word))
        namespace.renamed = [*namespace.renamed, word]


def parse(
    parser: argparse.ArgumentParser, argv: Sequence[str], *, paths: Sequence[str], keys: Collection[str]
) -> argparse.Namespace:
    """The command line: each of `paths` by its name, and in `settings` all other words, later over earlier.

    Settings may stand before, between and after the paths: a word is one when its key is one of `keys` or nearly so.
    A path may look like a setting (`a=b/photo.jpg`) where no key is like it, or where too few paths would be left.
    """
    arguments = parser.parse_intermixed_args(argv)
    words = [*(getattr(arguments, name) for name in paths), *arguments.settings]
    settings = [word for word in words if SETTING.match(word) and _is_one_of(key_of(word), keys)]
    others = [word for word in words if word not in settings]
    if len(others) < len(paths):
        others, settings = words, []
    for name, word in zip(paths, others, strict=False):
        setattr(arguments, name, word)
    arguments.settings = [*getattr(arguments, "renamed", []), *others[len(paths) :], *settings]
    return arguments


def _is_one_of(key: str, keys: Collection[str]) -> bool:
    return key in keys or key.partition(".")[0] in keys or bool(did_you_mean(key, keys))


def split(kind: Any, words: Sequence[str], others: Collection[str]) -> tuple[list[str], list[str]]:
    """The words that are settings of this kind, and the rest, which may be any of `others`; ConfigError for a word of
    neither whose key is nearest to one of this kind."""
    own = setting_paths(kind)
    unknown = [key for key in map(key_of, words) if key not in own and key not in others]
    slips = [key for key in unknown if did_you_mean(key, own) and not did_you_mean(key, others)]
    if slips:
        raise ConfigError("; ".join(f"{truncated(key)}: no such setting{did_you_mean(key, own)}" for key in slips))
    return [word for word in words if key_of(word) in own], [word for word in words if key_of(word) not in own]


def read_words(kind: type[Settings], words: Sequence[str]) -> Settings:
    """Settings of a command from `key=value` words, later over earlier.

    Unlike in a config, a value that is text is taken as it is typed, and not as YAML: `photo=007`, `seeds=1,sal=3`.
    ConfigError with all mistakes.
    """
    texts = [name for name, hint in get_type_hints(kind).items() if hint is str or str in get_args(hint)]
    values: dict[str, Any] = {}
    for word in words:
        key, sign, text = word.partition("=")
        overrides.merge(values, {key: text or None} if sign and key in texts else overrides.parse_override(word))
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return check(kind, {key: value for key, value in values.items() if value is not None or key not in names})
