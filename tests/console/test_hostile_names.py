"""Pictures whose names hold control characters, break out of a shell or a page, or are as long as a name may be."""

import os
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.commands import cartoonize, shards
from cartoon_dist.commands.main import status_of
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.escape import first_control_character
from cartoon_dist.runs import export_file, networks_from_config

NAMES = ["a\nerror: forged", "b\x1b[2J", "c'\"$(touch PWN)`x`", "-d", "e\u202egnp", "<script>f", "g" * 251]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in NAMES:
        whole = cv2.imencode(".png", rng.integers(0, 256, (20, 24, 3), np.uint8))[1].tobytes()
        (folder / f"{name}.png").write_bytes(whole)
    (folder / "bad\x1b]0;x\x07\nerror: forged.png").write_bytes(whole[:40])
    return folder


def test_building_shards_of_hostile_names(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["image_size=16", "max_broken=0.5", "num_workers=1"]
    assert shards.cartoons([str(pictures), str(tmp_path / "out"), *words]) == 0
    said = capsys.readouterr()
    assert "\nskipped bad\\x1b]0;x\\x07\\nerror: forged.png: " in said.err
    assert all(not first_control_character(line) for line in (said.out + said.err).split("\n"))
    assert not any(line.startswith("error: ") for line in said.err.split("\n"))
    with tarfile.open(next((tmp_path / "out").glob("*.tar"))) as tar:
        names = tar.getnames()
    assert len(names) == 3 * len(NAMES)
    assert all(name.isascii() and name.replace("-", "").replace(".", "").isalnum() for name in names)


def test_cartoonizing_hostile_names(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.safetensors"
    settings = read(TrainSettings, [], ["run_dir=x", "model.channels=2", "model.num_blocks=0"])
    tensors = networks_from_config.build_networks(settings)["generator"].state_dict()
    model.write_bytes(
        export_file.to_safetensors(tensors, export_file.ExportMetadata(settings=settings, weights="raw", step=9))
    )
    (pictures / os.fsdecode(b"h\xff.png")).write_bytes((pictures / "-d.png").read_bytes())
    words = [str(model), str(pictures), str(tmp_path / "out")]
    assert status_of(cartoonize.main, words) == 2  # one of them is damaged
    said = capsys.readouterr()
    assert all(not first_control_character(line) for line in (said.out + said.err).split("\n"))
    assert [line[:16] for line in said.err.splitlines() if line.startswith("error: ")] == ["error: 1 of 9 pi"]
    assert len(list((tmp_path / "out").iterdir())) == len(NAMES) + 1
