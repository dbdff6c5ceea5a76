"""Parses YAML and JSON from untrusted files: plain values only, and no more of them than a config needs.

What is refused here would otherwise end in a traceback, or never end: lists nested a thousand deep, numbers of five
thousand digits, anchors that expand to a billion values.
"""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cartoon_dist.console.escape import escape_line, truncated
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, open_regular, read_regular
from cartoon_dist.files.encoding import NotTextError, decode_text

_MAX_BYTES = 256 * 1024
"""A config has some 3000; YAML is slow to parse, and this much takes seconds."""
_MAX_VALUES = 20_000
_MAX_DEPTH = 20


class ParseError(ValueError):
    """A text is not valid YAML or JSON, or not supported; the message says why, on one line."""


class UnsupportedError(ParseError):
    """A text is valid YAML that is not supported here."""


def read_yaml(path: Path) -> Any:
    """The value in a YAML file: see `parse_yaml`. OSError where it cannot be read."""
    with open_regular(path, max_bytes=MAX_RECORD_BYTES) as file:
        content = file.read(_MAX_BYTES + 1)
    return parse_yaml(content)


def parse_yaml(content: str | bytes) -> Any:
    """The value of a YAML text: null, booleans, numbers, texts, lists and mappings with texts as keys.

    A date stays a text. ParseError for what is no YAML, is too large or nested too deep, has a key twice, or has values
    of other kinds.
    """
    if len(content) > _MAX_BYTES:
        raise UnsupportedError(f"is larger than {_MAX_BYTES // 1024} KiB")
    try:
        text = decode_text(content) if isinstance(content, bytes) else content
        return yaml.load(text, Loader=_Loader)
    except NotTextError as error:
        raise ParseError(escape_line(error)) from None
    except yaml.YAMLError as error:
        raise ParseError(f"not YAML: {truncated(escape_line(' '.join(str(error).split())), 400)}") from None


def parse_json(content: str | bytes) -> Any:
    """The value of a JSON text. ParseError for what is no JSON, is nested too deep, or has a number of thousands of
    digits."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"not JSON: {truncated(escape_line(error))}") from None


def read_json(path: Path) -> Any:
    """The value in a JSON file: see `parse_json`. OSError where it cannot be read."""
    return parse_json(read_regular(path, max_bytes=MAX_RECORD_BYTES))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with bounds, without dates, and strict about keys."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML declares it otherwise)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        # How many values a node expands to, with its anchors counted at each use.
        self._sizes: dict[Node, int] = {}

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """A node and all in it; UnsupportedError where it is nested too deep or holds too much."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnsupportedError(f"is nested more than {_MAX_DEPTH} deep{_line(parent)}")
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if not is_alias:
            children = (
                [node.value] if isinstance(node, SequenceNode) else node.value if isinstance(node, MappingNode) else []
            )
            self._sizes[node] = 1 + sum(self._sizes[part] for parts in children for part in parts)
        if node not in self._sizes:
            raise UnsupportedError(f"holds itself{_line(node)}")  # the node of the alias has not ended yet
        if self._sizes[node] > _MAX_VALUES:
            raise UnsupportedError(f"holds more than {_MAX_VALUES} values{_line(node)}")
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 (PyYAML's)
        """The value of a node; ParseError for a kind that settings do not have."""
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind not in _KINDS:
            raise ParseError(f"holds a value of the kind {truncated(escape_line(node.tag))}{_line(node)}")
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, OverflowError) as error:
            if isinstance(error, ParseError):
                raise
            raise ParseError(f"holds no {kind} where it says so{_line(node)}") from None

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """A mapping; UnsupportedError for a key that is there twice, or is no text."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag.endswith(":merge"):
                continue
            if not isinstance(key, ScalarNode) or not key.tag.endswith(":str"):
                raise UnsupportedError(f"has a key that is no plain word{_line(key)}; quote it if it is meant")
            if key.value in lines:
                name, first = truncated(escape_line(key.value)), lines[key.value]
                raise UnsupportedError(f"gives {name} twice{_line(key)}, first in line {first}; keep one of the two")
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


_KINDS = frozenset({"null", "bool", "int", "float", "str", "seq", "map", "merge"})


def _line(node: Node | None) -> str:
    return f", in line {node.start_mark.line + 1}" if node is not None else ""
