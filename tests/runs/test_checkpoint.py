"""Checkpoints: complete or absent, and loaded only when every byte is right."""

import errno
import os
import random
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder
from tests.running import environment
from tests.runs.first_format import to_first_format

TENSORS = {
    "generator": {"a.weight": torch.arange(12.0).reshape(3, 4)},
    "ema": {"a.weight": torch.ones(2, dtype=torch.float64)},
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def save(run: RunFolder, step: int) -> Path:
    return checkpoint.save(run, step, TENSORS, {"seed": 5}, config="seed: 5\n")


def test_saved_tensors_are_loaded_unchanged(run: RunFolder) -> None:
    folder = save(run, 1000)
    assert folder.name == "step-0001000"
    assert checkpoint.newest(run) == (folder, [])
    assert checkpoint.read_manifest(folder)["seed"] == 5
    loaded = checkpoint.load(folder)
    for stem, named in TENSORS.items():
        for name, tensor in named.items():
            assert loaded[stem][name].dtype == tensor.dtype
            assert torch.equal(loaded[stem][name], tensor)


def test_a_copied_checkpoint_is_read_alone(run: RunFolder, tmp_path: Path) -> None:
    run.write_config(read(TrainSettings, [], ["seed=6"], run_dir="x"))
    alone = Path(shutil.copytree(save(run, 1), tmp_path / "elsewhere" / "best"))
    assert checkpoint.integrity_error(alone) is None
    assert checkpoint.config_path(alone).read_text() == "seed: 5\n"
    assert checkpoint.load(alone).keys() == TENSORS.keys()


def test_files_that_the_manifest_does_not_list_are_not_read(run: RunFolder) -> None:
    folder = save(run, 1)
    (folder / "extra.safetensors").write_bytes(b"not of this checkpoint")
    assert checkpoint.load(folder).keys() == TENSORS.keys()


def test_the_first_format_is_still_read(run: RunFolder) -> None:
    before, folder = save(run, 1), save(run, 2)
    to_first_format(folder)
    assert checkpoint.newest(run) == (folder, [])
    assert checkpoint.load(folder).keys() == TENSORS.keys()
    assert checkpoint.config_path(folder) == run.config
    (folder / "ema.safetensors").write_bytes(b"")
    assert checkpoint.newest(run)[0] == before


@pytest.mark.parametrize(
    "spoil",
    [
        "flip",
        "cut",
        "missing file",
        "no manifest",
        "manifest not JSON",
        "other format",
        "manifest",
        "config",
        "renamed",
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(run: RunFolder, spoil: str) -> None:
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
            manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 99'))
        case "manifest":
            manifest.write_text(manifest.read_text().replace('"seed": 5', '"seed": 6'))
        case "config":
            (damaged / "config.yaml").write_text("seed: 6\n")
        case "renamed":
            shutil.rmtree(damaged)
            shutil.copytree(before, damaged)
    newest, errors = checkpoint.newest(run)
    assert newest == before
    assert len(errors) == 1
    assert "step-0000002" in errors[0]


def test_every_flipped_bit_is_detected(run: RunFolder) -> None:
    folder, draw = save(run, 1), random.Random(1)
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for place in draw.sample(range(len(content)), min(len(content), 100)):
            flipped = bytearray(content)
            flipped[place] ^= 1 << draw.randrange(8)
            file.write_bytes(flipped)
            assert checkpoint.integrity_error(folder) is not None, f"{file.name}, byte {place}"
        file.write_bytes(content)
    assert checkpoint.integrity_error(folder) is None


def test_a_damaged_checkpoint_is_written_again(run: RunFolder) -> None:
    folder = save(run, 1)
    (folder / "ema.safetensors").unlink()
    save(run, 1)
    assert checkpoint.integrity_error(folder) is None


def test_a_full_disk_leaves_the_old_checkpoint_intact(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = save(run, 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save(run, 2)
    assert checkpoint.newest(run) == (before, [])
    assert [path.name for path in run.root.iterdir()] == ["step-0000001"]


RACE = """
import sys
from pathlib import Path
import torch
from cartoon_dist.errors import CheckpointError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.layout import RunFolder
run, both = RunFolder(Path(sys.argv[1])), sys.stdin
for step in range(1, 21):
    print("ready", flush=True)
    both.readline()
    try:
        checkpoint.remove_leftovers(run)
        tensors = {"generator": {"weight": torch.full((200, 200), float(step))}}
        print(checkpoint.save(run, step, tensors, {}, config="").name, flush=True)
    except CheckpointError as error:
        print(f"refused: {error}", flush=True)
"""


@pytest.mark.slow
def test_two_processes_that_write_the_same_checkpoint_leave_it_intact(run: RunFolder) -> None:
    """As on a file system without locks: each removes leftovers and writes the same steps."""
    command = [sys.executable, "-c", RACE, str(run.root)]
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
            )
            for _ in range(2)
        ]
        for step in range(1, 21):
            assert [read_line(racer) for racer in racers] == ["ready", "ready"]
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write("go\n")
                racer.stdin.flush()
            answers = [read_line(racer) for racer in racers]
            assert all(word == f"step-{step:07d}" or word.startswith("refused: ") for word in answers)
            if f"step-{step:07d}" in answers:
                assert checkpoint.integrity_error(run.checkpoint(step)) is None
    newest, errors = checkpoint.newest(run)
    assert newest is not None
    assert errors == []


def read_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().rstrip("\n")
