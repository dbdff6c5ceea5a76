"""What steers a terminal is written out."""

import sys
import unicodedata

from cartoon_dist.console.escape import hidden, on_a_line, on_lines, shortened


def test_what_steers_a_terminal_is_written_out() -> None:
    assert on_a_line("a\nb\x1b[2J\x9b\u202ec\x00\udcff") == "a\\nb\\x1b[2J\\x9b\\u202ec\\x00\\xff"
    assert on_lines("a\n\tb\rc\x1b") == "a\n\tb\\rc\\x1b"
    assert on_a_line("Ein Stück 漢字 🎬 'x' $(y)") == "Ein Stück 漢字 🎬 'x' $(y)"


def test_no_character_of_such_a_kind_is_missed() -> None:
    """By Unicode's own table: controls, surrogates, separators of lines, and what turns the direction around."""
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for character in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(character)
        steers = category in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in turns
        if steers:
            assert hidden(character) == on_a_line(character) != character
            assert on_a_line(character).isascii()
        elif category in ("Lu", "Ll", "Lo", "Nd", "Zs"):
            assert not hidden(character)


def test_what_is_long_says_how_long_it_was() -> None:
    assert shortened("x" * 200) == "x" * 200
    assert shortened("x" * 5000, 10) == "xxxxxxxxxx... (5000 characters)"
