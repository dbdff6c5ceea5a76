"""Shard jobs over damaged pictures, pictures in other colour spaces, and inputs that are no plain files."""

import dataclasses
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.commands import shards
from cartoon_dist.data.audit.integrity import SampleSpec, check_sample
from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.format.manifest import settings_sha256
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.errors import ShardError
from tests.data.shard_folders import SMALL, build_shards, link_samples
from tests.profiles import DISPLAY_P3, P3_TO_SRGB, from_light, iccp, png, to_light, with_profile

LENIENT = dataclasses.replace(SMALL, max_broken=0.5)
TAKE = dataclasses.replace(SMALL, damaged="take")
COMPLAINT = "the JPEG file is damaged (premature end of data segment)"


def noise() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)


def jpeg() -> bytes:
    return cv2.imencode(".jpg", noise())[1].tobytes()


def with_truncated_jpeg(folder: Path) -> Path:
    """Pictures of which one is the first half of a JPEG of the set's size, with an end marker."""
    link_samples(folder, 3)
    (folder / "half.jpg").write_bytes(jpeg()[: len(jpeg()) // 2] + b"\xff\xd9")
    return folder


def members(out: Path, name: str) -> set[str]:
    entries = Shards(folder=out, domain="cartoon", split=None).entries()
    return next(set(entry.members) for entry in entries if entry.source == name)


def test_a_truncated_jpeg_counts_as_broken(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    inputs = with_truncated_jpeg(tmp_path / "in")
    finished = build_shards(inputs, tmp_path / "out", LENIENT).finished
    assert finished is not None
    assert [(skipped.source, skipped.reason) for skipped in finished.manifest.skipped] == [("half.jpg", COMPLAINT)]
    with pytest.raises(ShardError, match=r"1 of 4 pictures are broken.*half\.jpg \(the JPEG .* damaged.*damaged=take"):
        build_shards(inputs, tmp_path / "strict")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_picture_that_is_taken_is_reported_and_encoded_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs, out = with_truncated_jpeg(tmp_path / "in"), tmp_path / "out"
    words = ["image_size=64", "num_workers=1", "damaged=take"]
    assert shards.cartoons([str(inputs), str(out), *words]) == 0
    messages = capfd.readouterr().err.splitlines()
    assert [line for line in messages if "premature" in line] == [f"warning: half.jpg: {COMPLAINT}; taken as it is"]
    assert "cartoon.png" in members(out, "half.jpg")  # by its pixels: the reader of shards refuses a damaged file
    with pytest.raises(ShardError, match=r"begun with other settings .damaged: take -> skip"):
        build_shards(inputs, out, dataclasses.replace(SMALL, samples_per_shard=500))


def test_the_default_of_a_later_setting_is_not_recorded(tmp_path: Path) -> None:
    job = plan_job([str(link_samples(tmp_path / "in", 3))], domain="cartoon", settings=SMALL)
    assert "damaged" not in job.settings
    assert job.settings_sha256 == settings_sha256("cartoon", job.settings)
    assert plan_job([str(tmp_path / "in")], domain="cartoon", settings=TAKE).settings["damaged"] == "take"


def test_display_p3_is_stored_as_srgb(tmp_path: Path) -> None:
    inputs, out = link_samples(tmp_path / "in", 1), tmp_path / "out"
    (inputs / "p3.jpg").write_bytes(with_profile(jpeg(), DISPLAY_P3))
    (inputs / "plain.jpg").write_bytes(jpeg())
    build_shards(inputs, out)
    assert "cartoon.jpg" in members(out, "plain.jpg")
    assert "cartoon.png" in members(out, "p3.jpg")
    reader = Shards(folder=out, domain="cartoon", split=None)
    pictures = {
        entry.source: reader.read(position).picture.astype(int) for position, entry in enumerate(reader.entries())
    }
    expected = from_light(to_light(pictures["plain.jpg"]) @ P3_TO_SRGB.T)
    assert np.abs(pictures["p3.jpg"] - expected).max() <= 2


def test_verification_finds_other_colour_spaces(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_shards(link_samples(tmp_path / "in", 1), out)
    [entry] = Shards(folder=out, domain="cartoon", split=None).entries()
    content = png(noise(), iccp(DISPLAY_P3))
    (tmp_path / "other.tar").write_bytes(content)
    wide = dataclasses.replace(entry, members=dict.fromkeys(entry.members, (0, len(content))))
    spec = SampleSpec(domain="cartoon", image_size=64, require_record=False)
    problem = check_sample(tmp_path / "other.tar", wide, spec)
    assert problem is not None
    assert "its colours are not sRGB" in problem


def test_huge_files_pipes_and_devices_are_skipped(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 3)
    with (inputs / "huge.png").open("wb") as file:
        file.truncate(1 << 42)
    os.mkfifo(inputs / "pipe.jpg")
    (inputs / "zero.png").symlink_to("/dev/zero")
    finished = build_shards(inputs, tmp_path / "out", dataclasses.replace(SMALL, max_broken=0.9)).finished
    assert finished is not None
    reasons = {skipped.source: skipped.reason for skipped in finished.manifest.skipped}
    assert reasons["huge.png"].startswith("cannot be read (4,398,047 MB are more than the 1,667 MB")
    assert sum(shard.num_samples for shard in finished.manifest.shards) == 3
