"""Recognises folders that this program wrote itself, by the files in them, so that they are not taken for pictures.

A run, a shard folder and the tables hold pictures too: sample sheets, a contact sheet, a grid. Nobody wants these
cartoonized, scored or built into shards, and it is easy to name such a folder by mistake.
"""

import re
from pathlib import Path

from cartoon_dist.console.command_names import command_name
from cartoon_dist.errors import CheckpointError, PictureError, ShardError
from cartoon_dist.files.bounded import MAX_RECORD_BYTES, open_regular

_RECORD_START = re.compile(rb'\s*\{\s*"format":\s*\d')
"""The first bytes of the records of shards and of checkpoints."""
_CHECKPOINT_NAME = re.compile(r"step-\d{7,}")
_RUN_FILES = ("metrics.jsonl", "exit.json", "scores.json", "tensorboard", "samples/step-*.png", "step-*")
"""Files beside a run's config.yaml, at least one of which is there."""
RUN = "a run"
CHECKPOINT = "a checkpoint of a run"
SHARDS = "a shard folder"
_ADVICE = {
    RUN: "let the run draw pictures first, with {cartoonize}, and give the folder of its drawings",
    CHECKPOINT: "let it draw pictures first, with {cartoonize}, and give the folder of its drawings",
    SHARDS: "give the folder of the pictures that the shards were built of",
}


def folder_kind(folder: Path) -> str | None:
    """What one of our own folders is, in words that follow "is"; None for any other folder, and for what is no folder.

    Looks at a few names and the first bytes of a record: cheap enough for every folder of a search.
    """
    if not folder.is_dir():
        return None
    if _is_checkpoint(folder):
        return CHECKPOINT
    if _is_run(folder):
        return RUN
    if _is_shard_folder(folder):
        return SHARDS
    if folder.name == "samples" and _is_run(folder.parent):
        return "the sample sheets of a run"
    if (folder / "made_from.json").is_file():
        return "a cache of features"
    if (folder / "tables.md").is_file() and (folder / "tables.html").is_file():
        return "the tables' folder"
    return None


def require_pictures_folder(folder: Path) -> None:
    """PictureError where a folder of pictures is needed and this is one of our own folders."""
    kind = folder_kind(folder)
    if kind is not None:
        advice = _ADVICE.get(kind, "give a folder that holds the pictures themselves")
        advice = advice.format(cartoonize=command_name("cartoonize"))
        raise PictureError(f"{folder}: is {kind}, no folder of pictures; {advice}")


def require_model_folder(folder: Path) -> None:
    """CheckpointError where a run or a checkpoint is needed and this is another one of our own folders."""
    kind = folder_kind(folder)
    if kind not in (None, RUN, CHECKPOINT):
        raise CheckpointError(f"{folder}: is {kind}, no run and no checkpoint; give the run_dir of a training")


def require_run_folder(folder: Path) -> None:
    """CheckpointError where a run folder is needed and this is another one of our own folders."""
    kind = folder_kind(folder)
    if kind not in (None, RUN):
        raise CheckpointError(f"{folder}: is {kind}, no run; name another folder as run_dir=")


def require_shard_folder(folder: Path, *, new: bool = False) -> None:
    """ShardError where a shard folder is needed, to read or (new) to write, and this is another of our own folders."""
    kind = folder_kind(folder)
    if kind not in (None, SHARDS):
        advice = (
            "name a new folder to write to" if new else f"give one built by {command_name('shards photos')} or cartoons"
        )
        raise ShardError(f"{folder}: is {kind}, no shard folder; {advice}")


def is_run_or_checkpoint(folder: Path) -> bool:
    """Whether the folder may hold a generator."""
    return folder_kind(folder) in (RUN, CHECKPOINT)


def _is_run(folder: Path) -> bool:
    if not (folder / "config.yaml").is_file():
        # A run that lost its settings, or one that was copied without them.
        return any(_is_checkpoint(path) for path in folder.glob("step-*"))
    return any(next(folder.glob(name), None) is not None for name in _RUN_FILES)


def _is_checkpoint(folder: Path) -> bool:
    is_record = _is_record(folder / "manifest.json")
    if _CHECKPOINT_NAME.fullmatch(folder.name) is not None and is_record:
        return True  # though it may have lost all its tensors
    is_candidate = is_record or _CHECKPOINT_NAME.fullmatch(folder.name) is not None
    return is_candidate and next(folder.glob("*.safetensors"), None) is not None


def _is_shard_folder(folder: Path) -> bool:
    if any(_is_record(folder / name) for name in ("manifest.json", "job.json")):
        return True
    if (folder / "fetched.json").is_file() or any(_is_record(path) for path in folder.glob("*.index.json")):
        return True
    # A set that was built elsewhere and never indexed, or whose records are damaged.
    return next(folder.glob("photo-[0-9]*.tar"), None) is not None or any(folder.glob("cartoon-[0-9]*.tar"))


def _is_record(path: Path) -> bool:
    try:
        with open_regular(path, max_bytes=MAX_RECORD_BYTES) as file:
            return _RECORD_START.match(file.read(64)) is not None
    except OSError:
        return False
