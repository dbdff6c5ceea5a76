"""Checkpoints: written whole, found again, believed only after their hashes agree.

A checkpoint is a folder `step-0001000/`: safetensors files by the networks' plain names, and a manifest with what the
run was and the hash of each file. It is written under another name, pushed to the disk and renamed; nothing in it is
pickled.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cartoon_dist.errors import CheckpointError
from cartoon_dist.files import sha256_of, sync_folder, write_json
from cartoon_dist.runs.layout import RunFolder

FORMAT = 1
_MANIFEST = "manifest.json"

Tensors = Mapping[str, Mapping[str, Tensor]]
"""File stem -> name -> tensor."""


def save(run: RunFolder, step: int, tensors: Tensors, facts: Mapping[str, Any], *, keep: int) -> Path:
    """Write a checkpoint and drop all but the newest `keep`; CheckpointError when the disk refuses, and the old ones
    stay."""
    final = run.checkpoint(step)
    if damage(final) is None:
        return final  # asked to stop right after it was saved
    temporary = run.root / f".{final.name}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        files = {
            f"{stem}.safetensors": _write(temporary / f"{stem}.safetensors", named) for stem, named in tensors.items()
        }
        write_json(temporary / _MANIFEST, {"format": FORMAT, "step": step, **facts, "files": files})
        _remove(final)  # only there when it is damaged
        temporary.rename(final)
        sync_folder(run.root)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise CheckpointError(
            f"{final}: cannot be written ({error}); make room, then run the same command again"
        ) from None
    for old in _folders(run)[keep:]:
        _remove(old)
    return final


def newest(run: RunFolder) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint, if there is one, and what is wrong with those passed over."""
    faults: list[str] = []
    for folder in _folders(run):
        fault = damage(folder)
        if fault is None:
            return folder, faults
        faults.append(f"{folder}: {fault}")
    return None, faults


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, or None when every byte is as its manifest says."""
    try:
        manifest = read_manifest(folder)
        for name, expected in manifest["files"].items():
            if sha256_of(folder / name) != expected:
                return f"{name} is not what the manifest says"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, KeyError, AttributeError, CheckpointError) as error:
        return f"cannot be read ({error})"
    return None


def read_manifest(folder: Path) -> dict[str, Any]:
    """A checkpoint's manifest; CheckpointError when it is not one of ours."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except ValueError:
        raise CheckpointError(f"{folder / _MANIFEST}: is not JSON") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{folder / _MANIFEST}: is not of format {FORMAT}")
    return manifest


def load(folder: Path) -> dict[str, dict[str, Tensor]]:
    """All tensors of a checkpoint, in host memory: file stem -> name -> tensor."""
    return {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}


def sweep(run: RunFolder) -> None:
    """Remove what a killed process left half written."""
    for left in run.root.glob(".step-*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def _folders(run: RunFolder) -> list[Path]:
    """Checkpoint folders, newest first."""
    return sorted((path for path in run.root.glob("step-*") if path.name[5:].isdigit()), reverse=True)


def _write(path: Path, named: Mapping[str, Tensor]) -> str:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return sha256_of(path)


def _remove(folder: Path) -> None:
    """Take a checkpoint away under another name first, so that a kill in the middle leaves none that looks damaged."""
    if folder.exists():
        going = folder.with_name(f".{folder.name}.{os.getpid()}.old.tmp")
        folder.rename(going)
        shutil.rmtree(going)
