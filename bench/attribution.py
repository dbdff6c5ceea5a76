"""Who made a picture and what it may be used for, as packages record it.

Two forms are read: the READMEs of GCompris's resource folders, and Debian's copyright files.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

PERMISSIVE = ("public domain", "public-domain", "cc0", "cc-by-1", "cc-by-2", "cc-by-3", "cc-by-4", "mit", "expat")
"""How the names of the licences begin that ask for no more than a name."""
_BINDING = ("-sa", "gpl", "fdl", "-nc", "-nd")
_FIELDS = ("Copyright", "License", "Source", "Comment", "Comments", "Files")


@dataclass(frozen=True, kw_only=True)
class Credit:
    """Where a picture comes from, and what it may be used for."""

    package: str
    author: str
    licence: str

    @property
    def is_permissive(self) -> bool:
        """Whether what is made of the picture may have any licence: public domain, CC0, CC-BY, MIT."""
        return is_permissive(self.licence)


def is_permissive(licence: str) -> bool:
    """Whether the licence is in the public domain, CC0, CC-BY or MIT, and not also one that binds (SA, GPL, FDL)."""
    name = re.sub(r"^cc[ -]by ", "cc-by-", licence.lower())
    return name.startswith(PERMISSIVE) and not any(word in name for word in _BINDING)


def joined(package: str, credits: list[Credit]) -> Credit:
    """The credit of a picture composed of others: all authors and all licences, each once, in their order."""
    authors = list(dict.fromkeys(credit.author for credit in credits))
    licences = list(dict.fromkeys(credit.licence for credit in credits))
    return Credit(package=package, author="; ".join(authors), licence="; ".join(licences))


def readme_credits(readme: str, *, package: str) -> Iterator[tuple[str, Credit]]:
    """The files that a README of GCompris lists, each with its credit.

    Its blocks are divided by empty lines; the field `Files:` may go on over lines.
    """
    for block in readme.replace("\r", "").split("\n\n"):
        fields: dict[str, list[str]] = {}
        key = ""
        for line in block.splitlines():
            name, colon, value = line.partition(":")
            if colon and name in _FIELDS:
                key, line = name, value
            fields.setdefault(key, []).extend(line.split() if key == "Files" else [line.strip()])
        licence = " ".join(fields.get("License", [])).strip()
        author = " ".join(fields.get("Copyright", ["unknown"])).strip()
        if licence:
            credit = Credit(package=package, author=_one_line(author), licence=_one_line(licence))
            yield from ((file, credit) for file in fields.get("Files", []))


def debian_credits(copyright_file: str, *, package: str) -> list[tuple[str, Credit]]:
    """The patterns of paths in a machine-readable copyright file of Debian, each with its credit, in their order."""
    found: list[tuple[str, Credit]] = []
    for block in copyright_file.replace("\r", "").split("\n\n"):
        fields: dict[str, list[str]] = {}
        key = ""
        for line in block.splitlines():
            if not line[:1].isspace():
                key, _, line = line.partition(":")
            fields.setdefault(key, []).append(line.strip())
        licence = fields.get("License", [""])[0]
        if "Files" in fields and licence:
            author = ", ".join(part for part in fields.get("Copyright", []) if part) or "unknown"
            credit = Credit(package=package, author=_one_line(author), licence=licence)
            found += [(pattern, credit) for line in fields["Files"] for pattern in line.split()]
    return found


def matching_credit(path: str, credits: list[tuple[str, Credit]]) -> Credit | None:
    """The last credit whose pattern fits the path, whatever its file's ending; one for all files does not count."""
    stem = str(PurePosixPath(path).with_suffix(""))
    fitting = [
        credit for pattern, credit in credits if pattern != "*" and fnmatchcase(stem, re.sub(r"\.[\w*]+$", "", pattern))
    ]
    return fitting[-1] if fitting else None


def _one_line(text: str) -> str:
    return " ".join(text.split())
