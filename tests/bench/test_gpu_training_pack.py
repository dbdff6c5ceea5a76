"""What travels: the pack, checked when it arrives, and large files in parts."""

import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.gpu_training import pack, parts
from bench.gpu_training.__main__ import main
from bench.gpu_training.pack import PackChoices, evenly, listed, tar_bytes, write_pack
from bench.gpu_training.unpack import unpack
from bench.gpu_training.weights import half_copies
from cartoon_dist.errors import CheckpointError, PictureError, WeightsError
from cartoon_dist.image.encode import encode
from cartoon_dist.metrics.features import load_extractor
from cartoon_dist.pretrained import load_vgg, resolve
from tests.running import ROOT

WEIGHTS = ROOT / "weights"
WEIGHT_BYTES = 22_400_000


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("halves")
    for name, content in half_copies(WEIGHTS).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """40 photos of 20 scenes and 12 cartoons of 3, noise that no JPEG makes small."""
    noise = np.random.default_rng(0)
    for domain, num, each in (("photos", 40, 2), ("flat", 12, 4)):
        folder = tmp_path / "pictures" / domain
        folder.mkdir(parents=True)
        rows = ["file,scene"]
        for number in range(num):
            pixels = noise.integers(0, 256, (72, 96, 3), np.uint8)
            (folder / f"{number:02d}.png").write_bytes(encode(pixels, "png"))
            rows.append(f"{number:02d}.png,scene-{number // each}")
        (folder / "scenes.csv").write_text("\n".join(rows))
    (tmp_path / "pictures" / "ATTRIBUTION.tsv").write_text("file\tlicence\n")
    return tmp_path / "pictures"


def choices(pictures: Path, **more: int) -> PackChoices:
    return PackChoices(pictures=pictures, style="flat", weights=WEIGHTS, short=64, **more)


@pytest.mark.slow
def test_nobody_trains_on_a_scene_that_is_held_out(pictures: Path, tmp_path: Path) -> None:
    facts = write_pack(tmp_path / "one.tar", choices(pictures, max_each=100))
    assert (facts["photos"], facts["photo_scenes"], facts["cartoons"], facts["cartoon_scenes"]) == (36, 18, 12, 3)
    assert (facts["held_out"], facts["quality"], facts["style"]) == (2, 95, "flat")
    write_pack(tmp_path / "two.tar", choices(pictures, max_each=100))
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert unpack(tmp_path / "one.tar", tmp_path / "unpacked")["held_out"] == 2
    held = {path.stem.partition("-")[2] for path in (tmp_path / "unpacked" / "held_out").iterdir()}
    there = listed(tmp_path / "unpacked" / "photos")
    scenes = {f"scene-{int(name) // 2}" for name in held}
    assert len(there.paths) == 36
    assert not scenes & set(there.scenes.values())
    assert (tmp_path / "unpacked" / "attribution" / "ATTRIBUTION.tsv").is_file()


@pytest.mark.slow
def test_the_pack_keeps_to_its_bytes(pictures: Path, tmp_path: Path) -> None:
    whole = write_pack(tmp_path / "whole.tar", choices(pictures, max_each=100))
    in_pictures = (whole["megabytes"]["photos"] + whole["megabytes"]["cartoons"]) * 1e6
    room = int(whole["bytes"] - 0.2 * in_pictures)
    less = write_pack(tmp_path / "less.tar", choices(pictures, max_each=100, max_bytes=room))
    assert 70 < less["quality"] < 95
    assert less["bytes"] <= room
    assert less["photos"] == 36
    room = int(whole["bytes"] - 0.8 * in_pictures)
    few = write_pack(tmp_path / "few.tar", choices(pictures, max_each=100, max_bytes=room))
    assert few["quality"] == pack.QUALITIES[-1]
    assert few["bytes"] <= room
    assert 0 < few["photos"] < 36
    assert few["cartoon_scenes"] == 3, "every scene gives one before any gives two"


def test_scenes_take_turns(pictures: Path) -> None:
    chosen = evenly(listed(pictures / "flat"), 5)
    assert [path.stem for path in chosen.paths] == ["00", "01", "04", "05", "08"]


@pytest.mark.parametrize("name", ["../out.jpg", "photos/../../x.jpg", "/photos/a.jpg", "other/a.jpg", "photos/a/b.jpg"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(tar_bytes({name: b"x"}, {"style": "flat"}))
    with pytest.raises(PictureError, match="may not be in a pack"):
        unpack(tmp_path / "bad.tar", tmp_path / "in" / "unpacked")
    assert not list((tmp_path / "in").glob("*"))


def test_a_damaged_pack_is_refused_whole(tmp_path: Path) -> None:
    good = tar_bytes({"photos/a.jpg": b"first", "photos/b.jpg": b"second"}, {"style": "flat"})
    (tmp_path / "damaged.tar").write_bytes(good.replace(b"second", b"secund"))
    with pytest.raises(PictureError, match=r"photos/b.jpg is damaged\); pack it again"):
        unpack(tmp_path / "damaged.tar", tmp_path / "unpacked")
    for name, content in (("short.tar", good[:2000]), ("empty.tar", b""), ("text.tar", b"no tar" * 1000)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PictureError, match="cannot be unpacked"):
            unpack(tmp_path / name, tmp_path / "unpacked")
    made = BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        manifest = json.dumps({"format": 1, "facts": {}, "files": {"photos/a": [0, ""]}}).encode()
        member = tarfile.TarInfo("pack.json")
        member.size = len(manifest)
        tar.addfile(member, BytesIO(manifest))
        link = tarfile.TarInfo("photos/a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (tmp_path / "link.tar").write_bytes(made.getvalue())
    with pytest.raises(PictureError, match="photos/a is no plain file"):
        unpack(tmp_path / "link.tar", tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_parts_make_the_whole_and_damage_is_seen(tmp_path: Path) -> None:
    content = bytes(range(256)) * 100
    (tmp_path / "model.safetensors").write_bytes(content)
    row = tmp_path / "row"
    parts.split(tmp_path / "model.safetensors", row / "model-step-0000010", part_bytes=10_000)
    parts.split(tmp_path / "model.safetensors", row / "model-step-0000010", part_bytes=10_000)
    assert len(list((row / "model-step-0000010").iterdir())) == 4
    assert main(["join", str(row), str(tmp_path / "joined")]) == 0
    assert (tmp_path / "joined").read_bytes() == content
    part = row / "model-step-0000010" / "model.safetensors.01"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"safetensors.01: is damaged"):
        parts.join(row, tmp_path / "again")
    part.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        parts.join(row, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    with pytest.raises(CheckpointError, match="holds no SHA256SUMS"):
        parts.join(tmp_path, tmp_path / "again")


@pytest.mark.slow
def test_weights_in_half_precision_take_the_place_of_missing_ones(halves: Path) -> None:
    whole, half = load_vgg("vgg16", WEIGHTS), load_vgg("vgg16", halves)
    assert sum(path.stat().st_size for path in halves.iterdir()) < WEIGHT_BYTES
    assert max(half) == "features.7.weight"
    assert len(half) == 20, "ten convolutions, up to conv4_3"
    for name, tensor in half.items():
        assert tensor.dtype == torch.float32
        # Half of the last of float16's 11 bits, or of its smallest number.
        assert bool(((tensor - whole[name]).abs() <= whole[name].abs() / 2048 + 2**-25).all()), name
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), np.uint8))
    device = torch.device("cpu")
    one, other = (load_extractor("efficientnet_lite0", folder, device) for folder in (WEIGHTS, halves))
    assert one.weights_sha256 != other.weights_sha256, "a score says which it was made with"
    with torch.no_grad():
        exact, rounded = one.extract(pictures), other.extract(pictures)
    assert float((exact - rounded).norm() / exact.norm()) < 0.01


@pytest.mark.slow
def test_a_damaged_copy_is_refused_and_other_uses_want_the_whole_file(halves: Path, tmp_path: Path) -> None:
    copy = tmp_path / "vgg16-conv4_3-fp16.safetensors"
    copy.write_bytes((halves / copy.name).read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="its sha256 begins with"):
        load_vgg("vgg16", tmp_path)
    with pytest.raises(WeightsError, match="vgg16 weights are not in"):
        resolve("vgg16", halves)
