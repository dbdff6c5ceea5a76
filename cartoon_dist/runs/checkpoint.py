"""Checkpoints: written whole, found again, believed only after their hashes agree.

A checkpoint is a folder `step-0001000/`: safetensors files by the networks' plain names, the settings, and a manifest
with what the run was, the hash of each file and one of itself. It is written under another name, pushed to the disk and
renamed; nothing in it is pickled. Copied away alone it can still be read.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cartoon_dist.data.format.manifest import is_as_written, record_bytes
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.atomic import (
    MAX_RECORD_BYTES,
    MAX_TENSOR_BYTES,
    read_regular_text,
    sha256_of,
    sync_folder,
    write_whole,
)
from cartoon_dist.files.json_yaml import json_text
from cartoon_dist.runs.layout import RunFolder

FORMAT = 2
_FIRST_FORMAT = 1
"""Still read: it has no settings of its own, no random states, and a manifest without a hash of itself."""
_MANIFEST, _CONFIG, _TENSORS = "manifest.json", "config.yaml", ".safetensors"

Tensors = Mapping[str, Mapping[str, Tensor]]
"""File stem -> name -> tensor."""


def save(run: RunFolder, step: int, tensors: Tensors, facts: Mapping[str, Any], *, config: str) -> Path:
    """Write a checkpoint with the settings it was made with; CheckpointError when the disk refuses, and what was there
    stays."""
    final = run.checkpoint(step)
    if damage(final) is None:
        return final  # asked to stop right after it was saved
    temporary = run.root / f".{final.name}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        write_whole(temporary / _CONFIG, config)
        files = {_CONFIG: sha256_of(temporary / _CONFIG)}
        files |= {f"{stem}{_TENSORS}": _write(temporary / f"{stem}{_TENSORS}", held) for stem, held in tensors.items()}
        write_whole(temporary / _MANIFEST, record_bytes({"format": FORMAT, "step": step, **facts, "files": files}))
        remove(final)  # only there when it is damaged
        temporary.rename(final)
        sync_folder(run.root)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if damage(final) is None:
            return final  # where the file system has no locks another process may have been here first
        raise CheckpointError(
            f"{final}: cannot be written ({error}); make room, then run the same command again"
        ) from None
    return final


def newest(run: RunFolder) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint, if there is one, and what is wrong with those passed over."""
    faults: list[str] = []
    for step in reversed(steps(run)):
        folder = run.checkpoint(step)
        fault = damage(folder)
        if fault is None and read_manifest(folder)["step"] != step:
            fault = "its manifest speaks of another step"
        if fault is None:
            return folder, faults
        faults.append(f"{folder}: {fault}")
    return None, faults


def meant(place: Path) -> Path:
    """The checkpoint that a path stands for: the checkpoint itself, or the newest whole one of a run; CheckpointError
    when there is none. Reads all of it, to compare it with its hashes."""
    if is_one(place):
        fault = damage(place)
        if fault:
            raise CheckpointError(f"{place}: {fault}; use another checkpoint of the run")
        return place
    found, faults = newest(RunFolder(place))
    if found is None:
        raise CheckpointError(f"{place}: holds no whole checkpoint{''.join(f' ({fault})' for fault in faults)}")
    return found


def steps(run: RunFolder) -> list[int]:
    """The steps of all checkpoints there, whole or not, in order."""
    numbers = {int(path.name[5:]) for path in run.root.glob("step-*") if path.name[5:].isdecimal()}
    return sorted(number for number in numbers if run.checkpoint(number).is_dir())


def is_one(folder: Path) -> bool:
    """Whether the folder is a checkpoint, whole or not, rather than a run: it, too, has settings of its own."""
    return (folder / _MANIFEST).exists()


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, or None when every byte is as its manifest says. Reads all of it."""
    try:
        manifest = read_manifest(folder)
        for name, expected in manifest["files"].items():
            if sha256_of(folder / name, max_bytes=MAX_TENSOR_BYTES) != expected:
                return f"{name} is not what the manifest says"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, CheckpointError) as error:  # ValueError: a name with a zero byte
        return f"cannot be read ({error})"
    return None


def read_manifest(folder: Path) -> dict[str, Any]:
    """A checkpoint's manifest; CheckpointError when it is not one of ours, or not as it was written."""
    path = folder / _MANIFEST
    try:
        manifest = json_text(read_regular_text(path, max_bytes=MAX_RECORD_BYTES))
    except ValueError:
        raise CheckpointError(f"{path}: is not JSON") from None
    if not isinstance(manifest, dict) or manifest.get("format") not in (_FIRST_FORMAT, FORMAT):
        raise CheckpointError(f"{path}: is not of format {FORMAT}")
    step, files = manifest.get("step"), manifest.get("files")
    if isinstance(step, bool) or not isinstance(step, int) or not isinstance(files, dict):
        raise CheckpointError(f"{path}: names no step or no files")
    if manifest["format"] == FORMAT and not is_as_written(path):
        raise CheckpointError(f"{path}: its bytes are not those that were written")
    return manifest


def load(folder: Path) -> dict[str, dict[str, Tensor]]:
    """All tensors of a checkpoint, in host memory: file stem -> name -> tensor."""
    names = [name for name in read_manifest(folder)["files"] if name.endswith(_TENSORS)]
    return {name.removesuffix(_TENSORS): load_file(folder / name) for name in names}


def config_of(folder: Path) -> Path:
    """The settings a checkpoint was made with: its own, or its run's where it is of the first format."""
    own = folder / _CONFIG
    return own if own.exists() else RunFolder(folder.parent).config


def remove(folder: Path) -> None:
    """Take a checkpoint away under another name first, so that a kill in the middle leaves none that looks damaged.

    What cannot be removed at once, as another process reads it, is left to the next `sweep`.
    """
    if folder.exists():
        going = folder.with_name(f".{folder.name}.{os.getpid()}.old.tmp")
        shutil.rmtree(going, ignore_errors=True)
        folder.rename(going)
        shutil.rmtree(going, ignore_errors=True)


def sweep(run: RunFolder) -> None:
    """Remove what a killed process left half written."""
    for left in run.root.glob(".step-*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def _write(path: Path, named: Mapping[str, Tensor]) -> str:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return sha256_of(path)
