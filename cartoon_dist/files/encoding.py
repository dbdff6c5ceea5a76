"""Decodes text files of any editor: UTF-8 with or without a byte order mark, UTF-16, any line ends."""

import codecs
import re

# UTF-32's mark begins with UTF-16's.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_MAX_SHOWN = 60
_NO_TEXT = "holds zero bytes, so it is no text, or UTF-16 without its mark; save it as UTF-8"


class NotTextError(ValueError):
    """Bytes that are no text; the message says where and why, on one line."""


def decode_text(data: bytes) -> str:
    """The text that bytes encode, with `\\n` as the only line end; NotTextError when they are no text.

    A byte order mark tells UTF-8, UTF-16 and UTF-32 apart; without one the bytes are UTF-8.
    """
    mark, encoding = next(((m, e) for m, e in _BYTE_ORDER_MARKS.items() if data.startswith(m)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as problem:
        if encoding != "utf-8":
            raise NotTextError(f"not whole {encoding[:6].upper()} text; save it as UTF-8") from None
        raise NotTextError(_NO_TEXT if b"\0" in data else _wrong_line(data, problem.start + len(mark))) from None
    if "\0" in text:
        raise NotTextError(_NO_TEXT)
    # Not str.splitlines: it splits at further characters, which a file's name may contain.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _wrong_line(data: bytes, at: int) -> str:
    lines = re.split(rb"\r\n|\n|\r", data[:at])
    line = lines[-1] + re.split(rb"[\r\n]", data[at:], maxsplit=1)[0]
    shown = line.decode("utf-8", "backslashreplace")
    shown = shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."
    return f"line {len(lines)} is not UTF-8 text ({shown}); save the file as UTF-8"
