"""Checkpoints: written atomically, and loaded only when their hashes are right.

A checkpoint is a folder `step-0001000/`: safetensors files by the networks' plain names, the settings, and a manifest
with the state of the run, the hash of each file and one of itself. It is written under another name, synced to the disk
and renamed; nothing in it is pickled. A copy of the folder alone can still be read.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cartoon_dist.data.format.manifest import has_valid_hash, record_bytes
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.atomic import sync_file, sync_folder, write_atomically
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, MAX_TENSOR_BYTES, read_regular_text, sha256_of
from cartoon_dist.files.json_yaml import parse_json
from cartoon_dist.runs.layout import RunFolder

FORMAT = 2
_FIRST_FORMAT = 1
"""Can still be read: it has no settings of its own, no random states, and a manifest without a hash of itself."""
_MANIFEST, _CONFIG, _TENSORS = "manifest.json", "config.yaml", ".safetensors"

TensorFiles = Mapping[str, Mapping[str, Tensor]]
"""File stem -> name -> tensor."""


def save(run: RunFolder, step: int, tensors: TensorFiles, facts: Mapping[str, Any], *, config: str) -> Path:
    """Write a checkpoint with the settings of its run; CheckpointError when it cannot be written, and an older one then
    stays."""
    final = run.checkpoint(step)
    if integrity_error(final) is None:
        return final  # asked to stop right after it was saved
    temporary = run.root / f".{final.name}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        write_atomically(temporary / _CONFIG, config)
        files = {_CONFIG: sha256_of(temporary / _CONFIG)}
        files |= {
            f"{stem}{_TENSORS}": _write_tensors(temporary / f"{stem}{_TENSORS}", named)
            for stem, named in tensors.items()
        }
        write_atomically(temporary / _MANIFEST, record_bytes({"format": FORMAT, "step": step, **facts, "files": files}))
        remove(final)  # only there when it is damaged
        temporary.rename(final)
        sync_folder(run.root)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if integrity_error(final) is None:
            return final  # without file locks another process may have written it first
        raise CheckpointError(
            f"{final}: cannot be written ({error}); make room, then run the same command again"
        ) from None
    return final


def newest(run: RunFolder) -> tuple[Path | None, list[str]]:
    """The newest intact checkpoint, or None, and the errors of the newer ones."""
    errors: list[str] = []
    for step in reversed(steps(run)):
        folder = run.checkpoint(step)
        error = integrity_error(folder)
        if error is None and read_manifest(folder)["step"] != step:
            error = "its manifest is of another step"
        if error is None:
            return folder, errors
        errors.append(f"{folder}: {error}")
    return None, errors


def resolve(path: Path) -> Path:
    """The checkpoint that a path means: the checkpoint itself, or the newest intact one of a run; CheckpointError when
    there is none. Reads all of it, to compare it with its hashes."""
    if is_checkpoint(path):
        error = integrity_error(path)
        if error:
            raise CheckpointError(f"{path}: {error}; use another checkpoint of the run")
        return path
    folder, errors = newest(RunFolder(path))
    if folder is None:
        raise CheckpointError(f"{path}: holds no whole checkpoint{''.join(f' ({error})' for error in errors)}")
    return folder


def steps(run: RunFolder) -> list[int]:
    """The steps of all checkpoints of the run, intact or damaged, in order."""
    all_steps = {int(path.name[5:]) for path in run.root.glob("step-*") if path.name[5:].isdecimal()}
    return sorted(step for step in all_steps if run.checkpoint(step).is_dir())


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder is a checkpoint, intact or damaged, and not a run, which has a config.yaml too."""
    return (folder / _MANIFEST).exists()


def integrity_error(folder: Path) -> str | None:
    """What is wrong with a checkpoint; None when every byte is as its manifest says. Reads all of it."""
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
    """A checkpoint's manifest; CheckpointError when it is not one of ours, or was changed since it was written."""
    path = folder / _MANIFEST
    try:
        manifest = parse_json(read_regular_text(path, max_bytes=MAX_RECORD_BYTES))
    except ValueError:
        raise CheckpointError(f"{path}: is not JSON") from None
    if not isinstance(manifest, dict) or manifest.get("format") not in (_FIRST_FORMAT, FORMAT):
        raise CheckpointError(f"{path}: is not of format {FORMAT}")
    step, files = manifest.get("step"), manifest.get("files")
    if isinstance(step, bool) or not isinstance(step, int) or not isinstance(files, dict):
        raise CheckpointError(f"{path}: names no step or no files")
    if manifest["format"] == FORMAT and not has_valid_hash(path):
        raise CheckpointError(f"{path}: its bytes are not those that were written")
    return manifest


def load(folder: Path) -> dict[str, dict[str, Tensor]]:
    """All tensors of a checkpoint, in host memory: file stem -> name -> tensor."""
    names = [name for name in read_manifest(folder)["files"] if name.endswith(_TENSORS)]
    return {name.removesuffix(_TENSORS): load_file(folder / name) for name in names}


def config_path(folder: Path) -> Path:
    """The config file of a checkpoint: its own, or its run's where it is of the first format."""
    config = folder / _CONFIG
    return config if config.exists() else RunFolder(folder.parent).config


def remove(folder: Path) -> None:
    """Rename a checkpoint, then delete it: a kill in between leaves no checkpoint that looks damaged.

    What cannot be deleted now, because another process reads it, is deleted by the next `remove_leftovers`; Windows
    cannot even rename that, and it stays.
    """
    if folder.exists():
        renamed = folder.with_name(f".{folder.name}.{os.getpid()}.old.tmp")
        shutil.rmtree(renamed, ignore_errors=True)
        try:
            folder.rename(renamed)
        except PermissionError:
            if sys.platform != "win32":
                raise
            return
        shutil.rmtree(renamed, ignore_errors=True)


def remove_leftovers(run: RunFolder) -> None:
    """Remove the unfinished files of killed processes."""
    for leftover in run.root.glob(".step-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)


def _write_tensors(path: Path, named: Mapping[str, Tensor]) -> str:
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}, path)
    sync_file(path)
    return sha256_of(path)
