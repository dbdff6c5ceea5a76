"""Large files as parts that are small enough to be brought home, and put together again.

A folder holds `NAME.00`, `NAME.01`, ... and SHA256SUMS, a line for each part and one for the whole, as `sha256sum`
writes them: `cat NAME.* > NAME && sha256sum -c SHA256SUMS` does the same as `join`.
"""

import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.atomic import receive_file, temporary_path
from cartoon_dist.files.bounded import MAX_TEXT_BYTES, read_regular, read_regular_text

PART_BYTES = 14_000_000
LIST = "SHA256SUMS"
_MAX_PARTS = 100
_LINE = re.compile(r"([0-9a-f]{64})  ([\w.-]+)")


def split(source: Path, folder: Path, *, part_bytes: int = PART_BYTES) -> list[Path]:
    """Write the parts of a file into a folder, which appears whole or not at all; its paths."""
    temporary = temporary_path(folder)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    lines, whole = [], hashlib.sha256()
    with source.open("rb") as file:
        for number in range(_MAX_PARTS):
            block = file.read(part_bytes)
            if not block and number:
                break
            name = f"{source.name}.{number:02d}"
            whole.update(block)
            (temporary / name).write_bytes(block)
            lines.append(f"{hashlib.sha256(block).hexdigest()}  {name}\n")
        if file.read(1):
            raise CheckpointError(f"{source}: has more than {_MAX_PARTS} parts of {part_bytes} bytes")
    lines.append(f"{whole.hexdigest()}  {source.name}\n")
    (temporary / LIST).write_text("".join(lines), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return sorted(folder.iterdir())


def join(folder: Path, out: Path) -> None:
    """Put the parts in a folder, or the newest parts of a model in a row's folder, together as `out`.

    CheckpointError where a part is missing or damaged; `out` appears whole and checked or not at all.
    """
    place = folder if (folder / LIST).is_file() else _newest(folder)
    listed = dict(_listed(place))
    *parts, whole = listed
    with receive_file(out, _blocks(place, {name: listed[name] for name in parts}), lambda _done: None) as received:
        if received.sha256 != listed[whole]:
            raise CheckpointError(f"{place}: its parts do not make {whole}; fetch them again")


def _newest(folder: Path) -> Path:
    whole = sorted(path.parent for path in folder.glob(f"model-step-*/{LIST}"))
    if not whole:
        raise CheckpointError(f"{folder}: holds no {LIST} and no model-step-*/{LIST}; name the folder of a row's model")
    return whole[-1]


def _listed(place: Path) -> Iterator[tuple[str, str]]:
    """Each name in the list with its hash, parts first; no name leads out of the folder."""
    try:
        lines = read_regular_text(place / LIST, max_bytes=MAX_TEXT_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{place / LIST}: cannot be read ({error})") from None
    if not 2 <= len(lines) <= _MAX_PARTS + 1:
        raise CheckpointError(f"{place / LIST}: lists {len(lines)} files; a file has 1 to {_MAX_PARTS} parts")
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise CheckpointError(f"{place / LIST}: is no list of hashes")
        yield match[2], match[1]


def _blocks(place: Path, hashes: dict[str, str]) -> Iterator[bytes]:
    for name, sha256 in hashes.items():
        try:
            block = read_regular(place / name, max_bytes=1 << 30)
        except OSError as error:
            raise CheckpointError(
                f"{place / name}: cannot be read ({error.strerror or error}); fetch it again"
            ) from None
        if hashlib.sha256(block).hexdigest() != sha256:
            raise CheckpointError(f"{place / name}: is damaged; fetch it again")
        yield block
