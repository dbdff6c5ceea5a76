"""How commands are named: scripts in a clone, the console command where that was typed or nothing else is there."""

from pathlib import Path

import pytest

from cartoon_dist.console import command_names
from cartoon_dist.console.command_names import command_line, command_name, launched, note_program_typed


@pytest.fixture(autouse=True)
def _nothing_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTOON_DIST_TYPED", "")  # so that what a test sets is taken back
    monkeypatch.delenv("CARTOON_DIST_TYPED")


def test_in_a_clone_scripts_are_typed() -> None:
    assert command_name("export") == "launch/export.py"
    assert command_name("shards verify") == "shards/verify.py"
    assert command_line("shards photos", "PHOTOS OUT") == "python shards/photos.py PHOTOS OUT"
    assert launched("train", "demo").endswith("configs/accelerate/cpu.yaml launch/train.py demo")


def test_who_types_the_console_command_is_told_of_it() -> None:
    note_program_typed()
    assert command_name("export") == "cartoon-dist export"
    assert command_line("shards photos", "PHOTOS OUT") == "cartoon-dist shards photos PHOTOS OUT"
    assert launched("train", "demo") == "accelerate launch -m cartoon_dist train demo"


def test_an_installed_package_has_no_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_names, "CLONE", tmp_path)
    assert command_name("export") == "cartoon-dist export"
