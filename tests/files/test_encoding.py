"""Text of any editor is decoded alike; what is no text is refused with its line."""

import codecs
from pathlib import Path

import pytest

from cartoon_dist.errors import ConfigError
from cartoon_dist.files.bounded import read_text
from cartoon_dist.files.encoding import decode_text

TEXT = "one\n\nzwei ä\u2028\x0b\n# three"
UNIX = TEXT.encode()
WRITTEN = {
    "utf-8": UNIX,
    "utf-8 with a mark": codecs.BOM_UTF8 + UNIX,
    "utf-16 little": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "utf-16 big": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "utf-32": TEXT.encode("utf-32"),
    "windows": UNIX.replace(b"\n", b"\r\n"),
    "old mac": UNIX.replace(b"\n", b"\r"),
    "windows, utf-16": codecs.BOM_UTF16_LE + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_every_encoding_decodes_to_the_same_text(how: str) -> None:
    assert decode_text(WRITTEN[how]) == TEXT


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"a\r\nb\rcaf\xe9.jpg\nd", r"line 3 is not UTF-8 text \(caf\\xe9\.jpg\); save the file as UTF-8"),
        (TEXT.encode("utf-16-le"), "holds zero bytes"),
        ("plain".encode("utf-16-le"), "holds zero bytes, so it is no text, or UTF-16 without its mark"),
        (codecs.BOM_UTF16_LE + b"a", "not whole UTF-16 text"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "holds zero bytes, so it is no text"),
    ],
)
def test_what_is_no_text_raises_the_given_error_on_one_line(tmp_path: Path, data: bytes, complaint: str) -> None:
    path = tmp_path / "some.txt"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=f"^{path}: {complaint}"):
        read_text(path, ConfigError)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{tmp_path}: cannot be read"):
        read_text(tmp_path, ConfigError)
