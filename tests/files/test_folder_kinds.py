"""Our own folders are recognised by the files in them, and folders of pictures are not taken for them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cartoon_dist.commands.shards import photos
from cartoon_dist.commands.verify import main as verify
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.manifest import read_manifest
from cartoon_dist.errors import CheckpointError, PictureError, ShardError
from cartoon_dist.files.folder_kinds import folder_kind, require_pictures_folder
from cartoon_dist.report.page import write
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.trained import load
from tests.running import ROOT


def put(folder: Path, *names: str, content: str = "x") -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


RECORD = json.dumps({"format": 1, "step": 3}, indent=1)
OURS: dict[str, Callable[[Path], Path]] = {
    "a run": lambda at: put(at, "config.yaml", "metrics.jsonl", "samples/step-0000001.png"),
    "a run without a step": lambda at: put(at, "config.yaml", "exit.json"),
    "a run without settings": lambda at: put(put(at, "step-0000003/ema.safetensors"), "a.png"),
    "a checkpoint": lambda at: put(put(at, "ema.safetensors"), "manifest.json", content=RECORD),
    "a checkpoint without tensors": lambda at: put(at / "step-0000003", "manifest.json", content=RECORD),
    "a checkpoint without a manifest": lambda at: put(at / "step-0000003", "ema.safetensors"),
    "the sample sheets": lambda at: put(at, "config.yaml", "samples/step-0000001.png") / "samples",
    "a shard folder": lambda at: put(put(at, "manifest.json", content=RECORD), "contact-sheet.png"),
    "a shard folder begun": lambda at: put(at, "job.json", content=RECORD),
    "a shard folder, one index left": lambda at: put(at, "photo-000000.index.json", content=RECORD),
    "a shard folder, tars alone": lambda at: put(at, "cartoon-000000.tar", "contact-sheet.png"),
    "a fetched copy": lambda at: put(at, "fetched.json"),
    "a cache": lambda at: put(at, "made_from.json", "0000000-0000004.npy"),
    "the tables": lambda at: put(at, "tables.md", "tables.html", "grid.png"),
}


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_folders_is_recognised_and_refused_on_one_line(tmp_path: Path, name: str) -> None:
    folder = OURS[name](tmp_path / "it")
    kind = folder_kind(folder)
    assert kind is not None
    with pytest.raises(PictureError, match=f"it.*: is {kind}, no folder of pictures; (give|let)") as refused:
        require_pictures_folder(folder)
    assert "\n" not in str(refused.value)


def test_pictures_with_other_files_beside_them_are_pictures(tmp_path: Path) -> None:
    put(tmp_path / "it", "a.png", "config.yaml", "samples/b.png", "notes.tar", "model.safetensors", "exits.json")
    put(tmp_path / "it", "manifest.json", "job.json", content='{"jobs": [], "format": 1}')
    for path in (tmp_path / "it", tmp_path / "it/samples", tmp_path / "it/a.png", tmp_path / "nowhere"):
        assert folder_kind(path) is None
        require_pictures_folder(path)


@pytest.mark.parametrize("name", OURS)
def test_one_of_our_folders_given_for_another_is_named_in_the_error(tmp_path: Path, name: str) -> None:
    folder = OURS[name](tmp_path / "it")
    kind = folder_kind(folder)
    if kind != "a shard folder":
        with pytest.raises(ShardError, match=f"is {kind}, no shard folder; give one built by"):
            read_manifest(folder)
        with pytest.raises(ShardError, match=f"is {kind}, no shard folder; give one"):
            verify([str(folder), "--mend"])
        with pytest.raises(ShardError, match=f"is {kind}, no shard folder; name a new folder to write to"):
            photos([str(ROOT / "shards/samples/photos"), str(folder)])
    if kind != "a run":
        with pytest.raises(CheckpointError, match=f"is {kind}, no run; name another folder as run_dir="):
            RunFolder(folder).check_same(TrainSettings(run_dir=str(folder)))
    if kind not in ("a run", "a checkpoint of a run"):
        for command in (lambda: load(folder, weights="ema"), lambda: write(RunFolder(folder))):
            with pytest.raises(CheckpointError, match=f"is {kind}, no run and no checkpoint; give the run_dir"):
                command()
