"""Escapes control characters in text from outside, names of files above all, before it is printed.

A file's name may hold anything but a slash and a NUL: line ends, a terminal's escape sequences, marks that reverse the
direction of writing, bytes that are not UTF-8. Printed as they are, they hide or forge the message around them.
"""

import re
import shlex
import subprocess
import sys

_CONTROL = (
    "\x00-\x1f\x7f-\x9f"  # control characters: line ends, ESC, BEL, and the C1 set, which some terminals obey
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that reverse the direction of writing
    "\u2028\u2029"  # separators of lines and paragraphs
    "\ud800-\udfff"  # surrogates: how Python holds a name's bytes that are not UTF-8
)
_CONTROL_CHARACTER = re.compile(f"[{_CONTROL}]")
_CONTROL_BUT_LINES = re.compile(f"(?![\n\t])[{_CONTROL}]")


def first_control_character(text: str) -> str:
    """The first control character of a setting, where none is allowed, escaped; empty when there is none."""
    match = _CONTROL_CHARACTER.search(text)
    return _escaped(match) if match else ""


def escape_line(text: object) -> str:
    """The text with all control characters escaped, line ends too: `a\\nb`, `\\x1b[2J`, `\\u202e`."""
    return _CONTROL_CHARACTER.sub(_escaped, str(text))


def escape_lines(text: str) -> str:
    """As `escape_line`, but ends of lines and tabs stay."""
    return _CONTROL_BUT_LINES.sub(_escaped, text)


def shell_quoted(path: object) -> str:
    """A path quoted as one word of a command that a message tells the user to type."""
    return subprocess.list2cmdline([str(path)]) if sys.platform == "win32" else shlex.quote(str(path))


def truncated(text: str, max_length: int = 200) -> str:
    """The text; of a longer one its beginning and how long it is."""
    return text if len(text) <= max_length else f"{text[:max_length]}... ({len(text)} characters)"


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"  # the byte itself
    return character.encode("unicode_escape").decode()
