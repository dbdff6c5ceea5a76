"""Control characters are escaped."""

import sys
import unicodedata

from cartoon_dist.console.escape import escape_line, escape_lines, first_control_character, truncated


def test_control_characters_are_escaped() -> None:
    assert escape_line("a\nb\x1b[2J\x9b\u202ec\x00\udcff") == "a\\nb\\x1b[2J\\x9b\\u202ec\\x00\\xff"
    assert escape_lines("a\n\tb\rc\x1b") == "a\n\tb\\rc\\x1b"
    assert escape_line("Ein Stück 漢字 🎬 'x' $(y)") == "Ein Stück 漢字 🎬 'x' $(y)"


def test_no_control_character_is_missed() -> None:
    """By Unicode's own table: controls, surrogates, separators of lines, and marks that reverse the direction."""
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for character in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(character)
        is_control = category in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in turns
        if is_control:
            assert first_control_character(character) == escape_line(character) != character
            assert escape_line(character).isascii()
        elif category in ("Lu", "Ll", "Lo", "Nd", "Zs"):
            assert not first_control_character(character)


def test_a_truncated_text_says_how_long_it_was() -> None:
    assert truncated("x" * 200) == "x" * 200
    assert truncated("x" * 5000, 10) == "xxxxxxxxxx... (5000 characters)"
