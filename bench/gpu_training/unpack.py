"""A pack on the machine with the GPU: every file checked by its hash before anything uses it."""

import hashlib
import json
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from bench.gpu_training.pack import FORMAT, MANIFEST
from cartoon_dist.errors import PictureError
from cartoon_dist.files.atomic import temporary_path

_MAX_PACK_BYTES = 1 << 30
_MAX_MANIFEST_BYTES = 16 << 20
_FOLDERS = frozenset({"photos", "cartoons", "held_out", "weights", "attribution"})


def unpack(pack: Path, folder: Path) -> dict[str, Any]:
    """Write the pack's files into a folder, which appears whole or not at all; the facts that the pack states.

    A folder that is there already is taken as it is. PictureError where the pack is damaged or is none of ours.
    """
    if not (folder / MANIFEST).is_file():
        temporary = temporary_path(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            _write(pack, temporary)
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise PictureError(f"{pack}: cannot be unpacked ({error}); pack it again") from None
        temporary.rename(folder)
    facts: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["facts"]
    return facts


def _write(pack: Path, folder: Path) -> None:
    if pack.stat().st_size > _MAX_PACK_BYTES:
        raise ValueError("it is larger than a pack may be")
    with tarfile.open(pack) as tar:
        first = tar.next()
        if first is None or first.name != MANIFEST or first.size > _MAX_MANIFEST_BYTES:
            raise ValueError(f"it does not begin with {MANIFEST}")
        manifest = _content(tar, first)
        told = json.loads(manifest)
        if told["format"] != FORMAT:
            raise ValueError(f"its format is {told['format']}, not {FORMAT}")
        left = dict(told["files"])
        for member in tar:
            if member is first or member.name == MANIFEST:
                continue
            size, sha256 = left.pop(member.name)
            content = _content(tar, member)
            if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError(f"{member.name} is damaged")
            path = folder / _safe(member.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    if left:
        raise ValueError(f"{next(iter(left))} is missing")
    (folder / MANIFEST).write_bytes(manifest)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        raise ValueError(f"{member.name} is no plain file")
    return file.read()


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if len(path.parts) != 2 or path.parts[0] not in _FOLDERS or path.parts[1] in ("..", ".") or "\\" in name:
        raise ValueError(f"{name} may not be in a pack")
    return path
