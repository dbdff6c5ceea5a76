"""Text from outside, names of files above all, as it may be shown: what steers a terminal is written out instead.

A file's name may hold anything but a slash and a NUL: line ends, a terminal's escape sequences, marks that turn the
direction of writing around, bytes that are not UTF-8. Shown as they are, they hide or forge what is said about them.
"""

import re
import shlex

_HIDDEN = (
    "\x00-\x1f\x7f-\x9f"  # control characters: line ends, ESC, BEL, and the C1 set, which some terminals obey
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing around
    "\u2028\u2029"  # separators of lines and paragraphs
    "\ud800-\udfff"  # surrogates: how Python holds a name's bytes that are not UTF-8
)
_ANY = re.compile(f"[{_HIDDEN}]")
_ALL_BUT_LINES = re.compile(f"(?![\n\t])[{_HIDDEN}]")


def hidden(text: str) -> str:
    """The first character that must not stand in a setting, written out; empty when there is none."""
    found = _ANY.search(text)
    return _written_out(found) if found else ""


def on_a_line(text: object) -> str:
    """The text with all that steers a terminal written out, line ends too: `a\\nb`, `\\x1b[2J`, `\\u202e`."""
    return _ANY.sub(_written_out, str(text))


def on_lines(text: str) -> str:
    """As `on_a_line`, but ends of lines and tabs stay."""
    return _ALL_BUT_LINES.sub(_written_out, text)


def typed(path: object) -> str:
    """A path as one word of a command that a message gives to be typed."""
    return shlex.quote(str(path))


def shortened(text: str, most: int = 200) -> str:
    """The text, or its beginning and how long it is."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


def _written_out(found: re.Match[str]) -> str:
    character = found.group()
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"  # the byte itself
    return character.encode("unicode_escape").decode()
