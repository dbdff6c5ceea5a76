"""YAML and JSON from files that anybody may have written: plain values alone, and not more of them than a config needs.

What is refused here would otherwise end in a traceback, or in no end at all: lists nested a thousand deep, numbers of
five thousand digits, anchors that stand for each other a billion times over.
"""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cartoon_dist.console.escape import on_a_line, shortened
from cartoon_dist.files.atomic import MAX_RECORD_BYTES, open_regular, read_regular
from cartoon_dist.files.encoding import NotTextError, text_of

_MOST_BYTES = 256 * 1024
"""A config of ours has some 3000; YAML is slow to read, and this much takes seconds."""
_MOST_VALUES = 20_000
_DEEPEST = 20


class UnreadableError(ValueError):
    """A text is no YAML or JSON that is taken here; the message says why, on one line."""


class RefusedError(UnreadableError):
    """A text is YAML, of a kind that is not taken."""


def yaml_file(path: Path) -> Any:
    """The value in a YAML file: see `yaml_text`. OSError where it cannot be read."""
    with open_regular(path, max_bytes=MAX_RECORD_BYTES) as file:
        content = file.read(_MOST_BYTES + 1)
    return yaml_text(content)


def yaml_text(content: str | bytes) -> Any:
    """The value that YAML stands for: null, booleans, numbers, texts, lists and mappings with texts for keys.

    A date stays the text that it is written as. UnreadableError for what is no YAML, is too large or nested too
    deep, holds a key twice, or other kinds of values.
    """
    if len(content) > _MOST_BYTES:
        raise RefusedError(f"is larger than {_MOST_BYTES // 1024} KiB")
    try:
        text = text_of(content) if isinstance(content, bytes) else content
        return yaml.load(text, Loader=_Loader)
    except NotTextError as error:
        raise UnreadableError(on_a_line(error)) from None
    except yaml.YAMLError as error:
        raise UnreadableError(f"not YAML: {shortened(on_a_line(' '.join(str(error).split())), 400)}") from None


def json_text(content: str | bytes) -> Any:
    """The value that JSON stands for. UnreadableError for what is no JSON, is nested too deep, or holds a number of
    thousands of digits."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {shortened(on_a_line(error))}") from None


def json_file(path: Path) -> Any:
    """The value in a JSON file: see `json_text`. OSError where it cannot be read."""
    return json_text(read_regular(path, max_bytes=MAX_RECORD_BYTES))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with bounds, without dates, and strict about keys."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML declares it otherwise)
        first: [(tag, pattern) for tag, pattern in held if tag != "tag:yaml.org,2002:timestamp"]
        for first, held in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        # How many values a node stands for, what its anchors stand for counted each time.
        self._sizes: dict[Node, int] = {}

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """A node and all in it; RefusedError where it lies too deep or holds too much."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise RefusedError(f"is nested more than {_DEEPEST} deep{_line(parent)}")
        refers = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None:
            return None
        if not refers:
            inner = (
                [node.value] if isinstance(node, SequenceNode) else node.value if isinstance(node, MappingNode) else []
            )
            self._sizes[node] = 1 + sum(self._sizes[part] for parts in inner for part in parts)
        if node not in self._sizes:
            raise RefusedError(f"holds itself{_line(node)}")  # what it refers to has not ended yet
        if self._sizes[node] > _MOST_VALUES:
            raise RefusedError(f"holds more than {_MOST_VALUES} values{_line(node)}")
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 (PyYAML's)
        """The value of a node; UnreadableError for a kind that settings have none of."""
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind not in _KINDS:
            raise UnreadableError(f"holds a value of the kind {shortened(on_a_line(node.tag))}{_line(node)}")
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, OverflowError) as error:
            if isinstance(error, UnreadableError):
                raise
            raise UnreadableError(f"holds no {kind} where it says so{_line(node)}") from None

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """A mapping; RefusedError for a key that is given twice, or is no text."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag.endswith(":merge"):
                continue
            if not isinstance(key, ScalarNode) or not key.tag.endswith(":str"):
                raise RefusedError(f"has a key that is no plain word{_line(key)}; quote it if it is meant")
            if key.value in lines:
                name, first = shortened(on_a_line(key.value)), lines[key.value]
                raise RefusedError(f"gives {name} twice{_line(key)}, first in line {first}; keep one of the two")
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


_KINDS = frozenset({"null", "bool", "int", "float", "str", "seq", "map", "merge"})


def _line(node: Node | None) -> str:
    return f", in line {node.start_mark.line + 1}" if node is not None else ""
