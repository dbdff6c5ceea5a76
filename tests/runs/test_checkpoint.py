"""Checkpoints: whole or not there, believed only when every byte is right."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder

TENSORS = {
    "generator": {"a.weight": torch.arange(12.0).reshape(3, 4)},
    "ema": {"a.weight": torch.ones(2, dtype=torch.float64)},
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def save(run: RunFolder, step: int, keep: int = 9) -> Path:
    return checkpoint.save(run, step, TENSORS, {"seed": 5}, keep=keep)


def test_what_is_saved_comes_back(run: RunFolder) -> None:
    folder = save(run, 1000)
    assert folder.name == "step-0001000"
    assert checkpoint.newest(run) == (folder, [])
    assert checkpoint.read_manifest(folder)["seed"] == 5
    held = checkpoint.load(folder)
    for stem, named in TENSORS.items():
        for name, tensor in named.items():
            assert held[stem][name].dtype == tensor.dtype
            assert torch.equal(held[stem][name], tensor)


def test_the_last_few_are_kept(run: RunFolder) -> None:
    for step in (1, 2, 3, 4):
        save(run, step, keep=2)
    assert sorted(path.name for path in run.root.iterdir()) == ["step-0000003", "step-0000004"]


@pytest.mark.parametrize("spoil", ["flip", "cut", "missing file", "no manifest", "manifest not JSON", "other format"])
def test_a_damaged_one_is_named_and_the_one_before_it_used(run: RunFolder, spoil: str) -> None:
    before, damaged = save(run, 1), save(run, 2)
    file, manifest = damaged / "generator.safetensors", damaged / "manifest.json"
    content = file.read_bytes()
    match spoil:
        case "flip":
            file.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
        case "cut":
            file.write_bytes(content[:-1])
        case "missing file":
            file.unlink()
        case "no manifest":
            manifest.unlink()
        case "manifest not JSON":
            manifest.write_text("{")
        case "other format":
            manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 99'))
    found, faults = checkpoint.newest(run)
    assert found == before
    assert len(faults) == 1
    assert "step-0000002" in faults[0]


def test_a_damaged_one_is_written_anew(run: RunFolder) -> None:
    folder = save(run, 1)
    (folder / "ema.safetensors").unlink()
    save(run, 1)
    assert checkpoint.damage(folder) is None


def test_a_full_disk_leaves_the_old_one_whole(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = save(run, 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save(run, 2)
    assert checkpoint.newest(run) == (before, [])
    assert [path.name for path in run.root.iterdir()] == ["step-0000001"]


WRITER = """
import sys
from pathlib import Path
import torch
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder
for step in range(1, 10**6):
    tensors = {"generator": {"weight": torch.full((400, 400), float(step))}}
    checkpoint.save(RunFolder(Path(sys.argv[1])), step, tensors, {}, keep=2)
    print(step, flush=True)
"""


def test_a_killed_writer_leaves_the_last_one_whole(run: RunFolder) -> None:
    for kill_after in (1, 7, 20):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(run.root)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            done = [int(child.stdout.readline()) for _ in range(kill_after)][-1]
            child.send_signal(signal.SIGKILL)
            done = max([done, *map(int, child.stdout.read().split())])
        checkpoint.sweep(run)
        found, faults = checkpoint.newest(run)
        assert faults == []
        assert found is not None
        step = checkpoint.read_manifest(found)["step"]
        assert done <= step <= done + 1  # the newest may have been renamed, and not yet reported
        assert (checkpoint.load(found)["generator"]["weight"] == step).all()
        for path in run.root.iterdir():  # the next round starts from nothing, its steps count from 1
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
