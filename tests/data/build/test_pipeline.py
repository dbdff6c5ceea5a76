"""The shard job: what it writes, that it writes the same each time, and what it refuses."""

import dataclasses
import gc
import json
import re
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import webdataset

from cartoon_dist.data.build.job import plan_job
from cartoon_dist.data.build.pipeline import build
from cartoon_dist.data.build.workers import map_in_order
from cartoon_dist.data.format.manifest import read_index, read_manifest
from cartoon_dist.errors import ShardError
from cartoon_dist.image.crop import resize_and_crop
from cartoon_dist.image.decode import decode
from cartoon_dist.image.edges import smooth_edges
from tests.data.shard_folders import SAMPLES, SMALL, build_shards, file_hashes, link_samples

LENIENT = dataclasses.replace(SMALL, max_broken=1.0)


def pixels(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def read_with_webdataset(*shards: str) -> list[dict[str, Any]]:
    """All samples, read with WebDataset."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # WebDataset leaves its files to the garbage collector
        samples = list(webdataset.WebDataset(list(shards), shardshuffle=False, empty_check=False))
        gc.collect()
    return samples


def test_a_plain_webdataset_reader_gets_every_member(tmp_path: Path) -> None:
    build_shards(link_samples(tmp_path / "in", 7), tmp_path / "out")
    shards = sorted(str(path) for path in (tmp_path / "out").glob("*.tar"))
    assert len(shards) == 3
    samples = read_with_webdataset(*shards)
    assert [sample["__key__"][:6] for sample in samples] == [f"{number:06d}" for number in range(7)]
    for sample in samples:
        record = json.loads(sample["json"])
        source = decode((tmp_path / "in" / record["source"]).read_bytes(), max_megapixels=10)
        crop = resize_and_crop(source, size=64)
        assert np.array_equal(pixels(sample["cartoon.png"]), crop.pixels)
        assert np.array_equal(pixels(sample["smoothed.png"]), smooth_edges(crop.pixels))
        assert record["box"] == [crop.left, crop.top, crop.left + 64, crop.top + 64]
        assert record["original"] == [source.shape[1], source.shape[0]]
        assert tuple(record["scaled"]) == crop.scaled


def test_photos_come_with_their_labels_in_grey(tmp_path: Path) -> None:
    from cartoon_dist.saliency.label import label

    build_shards(link_samples(tmp_path / "in", 2, "photos"), tmp_path / "out", domain="photo")
    (sample, _) = read_with_webdataset(str(tmp_path / "out" / "photo-000000.tar"))
    stored = cv2.imdecode(np.frombuffer(sample["saliency.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    assert (stored.shape, stored.dtype) == ((64, 64), np.uint8)
    assert np.abs(stored / 255 - label(pixels(sample["photo.png"]))).max() <= 0.5 / 255 + 1e-6


def test_index_offsets_are_those_of_the_payloads(tmp_path: Path) -> None:
    build_shards(link_samples(tmp_path / "in", 4), tmp_path / "out")
    for entry in read_manifest(tmp_path / "out").shards:
        data = (tmp_path / "out" / entry.name).read_bytes()
        with tarfile.open(tmp_path / "out" / entry.name) as tar:
            payloads = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        index = read_index(tmp_path / "out", entry.name)
        indexed = {f"{s.key}.{m}": data[at : at + size] for s in index.samples for m, (at, size) in s.members.items()}
        assert indexed == payloads


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_workers_or_the_run(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 8)
    for name, num_workers in (("one", 1), ("two", 2), ("again", 1)):
        build_shards(inputs, tmp_path / name, dataclasses.replace(SMALL, num_workers=num_workers))
    assert file_hashes(tmp_path / "one") == file_hashes(tmp_path / "two") == file_hashes(tmp_path / "again")


def test_workers_import_no_torch() -> None:
    code = (
        "import sys, cartoon_dist.data.build.workers, cartoon_dist.data.build.pipeline, cartoon_dist.commands.shards\n"
        "import cartoon_dist.commands.verify, cartoon_dist.saliency.label\n"
        "print(sorted({'torch', 'webdataset', 'av'} & set(sys.modules)))\n"
        "import cartoon_dist.data.inputs.frame_selection\n"
        "print(sorted({'torch', 'webdataset'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n[]\n"


def test_the_same_job_again_builds_nothing(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 4)
    first = build_shards(inputs, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("left alone")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again = build_shards(inputs, tmp_path / "out", dataclasses.replace(SMALL, num_workers=2, max_broken=0.5))
    assert (first.num_new, again.num_new) == (2, 0)
    assert again.finished.manifest == first.finished.manifest
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_a_shard_without_index_is_rebuilt_to_the_same_bytes(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 7)
    build_shards(inputs, tmp_path / "out")
    whole = file_hashes(tmp_path / "out")
    (tmp_path / "out" / "cartoon-000001.index.json").unlink()
    (tmp_path / "out" / "cartoon-000002.tar").unlink()
    (tmp_path / "out" / "cartoon-000001.tar.part").write_bytes(b"left by a killed job")
    (tmp_path / "out" / "manifest.json").unlink()
    assert build_shards(inputs, tmp_path / "out").num_new == 2
    assert file_hashes(tmp_path / "out") == whole


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 2)
    build_shards(inputs, tmp_path / "out")
    with pytest.raises(ShardError, match="image_size: 64 -> 32, seed: 0 -> 4"):
        build_shards(inputs, tmp_path / "out", dataclasses.replace(SMALL, image_size=32, seed=4))
    with pytest.raises(ShardError, match="holds cartoon shards"):
        build_shards(inputs, tmp_path / "out", domain="photo")


def test_other_pictures_are_refused_by_name(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 3)
    build_shards(inputs, tmp_path / "out")
    (inputs / "club.jpg").unlink()
    (inputs / "new.jpg").symlink_to(SAMPLES / "cartoons" / "uni.jpg")
    (inputs / "concert-1.jpg").unlink()
    (inputs / "concert-1.jpg").symlink_to(SAMPLES / "cartoons" / "uni.jpg")
    with pytest.raises(ShardError, match=r"1 added: new.jpg; 1 removed: club.jpg; 1 of another size: concert-1.jpg"):
        build_shards(inputs, tmp_path / "out")


def test_broken_pictures_are_skipped_and_listed(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 4)
    (inputs / "broken.jpg").write_bytes((SAMPLES / "cartoons" / "uni.jpg").read_bytes()[:5000])
    (inputs / "empty.png").touch()
    (inputs / "gone.png").symlink_to(tmp_path / "nowhere")
    manifest = build_shards(inputs, tmp_path / "out", LENIENT).finished.manifest
    assert [(picture.source, picture.reason) for picture in manifest.skipped] == [
        ("broken.jpg", "the JPEG file is cut off"),
        ("empty.png", "the file is empty"),
        ("gone.png", "cannot be read (No such file or directory)"),
    ]
    assert sum(shard.num_samples for shard in manifest.shards) == 4
    assert build_shards(inputs, tmp_path / "out", LENIENT).finished.manifest == manifest


def test_too_many_broken_pictures_stop_the_job_and_keep_its_shards(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 6)
    (inputs / "zz-broken.png").touch()
    with pytest.raises(ShardError, match=r"1 of 7 .*max_broken=0.01: zz-broken.png \(the file is empty\).*=0.143 or"):
        build_shards(inputs, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.tar*")} == {"cartoon-000000.tar", "cartoon-000001.tar"}
    assert build_shards(inputs, tmp_path / "out", dataclasses.replace(SMALL, max_broken=0.143)).num_new == 1


@pytest.mark.parametrize("shard_numbers", [None, range(1)])
def test_the_suggested_max_broken_is_enough(tmp_path: Path, shard_numbers: range | None) -> None:
    inputs = link_samples(tmp_path / "in", 4)
    for name in ("a.png", "m.jpg", "zz.png"):
        (inputs / name).touch()
    job = plan_job([str(inputs)], domain="cartoon", settings=SMALL)
    with pytest.raises(
        ShardError, match=r"3 of 7 .*: a.png \(the file is empty\), m.jpg .*, zz.png .*=0.429 or"
    ) as told:
        build(job, tmp_path / "out", SMALL, shown=False, shard_numbers=shard_numbers)
    advised = float(re.findall(r"max_broken=([\d.]+) or more", str(told.value))[0])
    assert build_shards(inputs, tmp_path / "out", dataclasses.replace(SMALL, max_broken=advised)).finished


def test_a_shard_without_samples_leaves_no_tar(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 1)
    for name in ("a.png", "b.png"):
        (inputs / name).touch()
    settings = dataclasses.replace(LENIENT, samples_per_shard=2)
    assert [shard.name for shard in build_shards(inputs, tmp_path / "out", settings).finished.manifest.shards] == [
        "cartoon-000001.tar"
    ]
    assert build_shards(inputs, tmp_path / "out", settings).num_new == 0
    (inputs / "club.jpg").unlink()
    with pytest.raises(ShardError, match="none of its 2 pictures gave a sample"):
        build_shards(inputs, tmp_path / "none", settings)


def test_a_file_that_is_the_square_already_is_stored_byte_for_byte(tmp_path: Path) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    picture = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    for name, stored in (("a.jpg", picture), ("b.png", picture), ("c.webp", picture), ("d.png", picture[..., 0])):
        cv2.imwrite(str(inputs / name), stored)
    build_shards(inputs, tmp_path / "out", dataclasses.replace(SMALL, samples_per_shard=4))
    jpg, png, webp, grey = read_with_webdataset(str(tmp_path / "out" / "cartoon-000000.tar"))
    assert jpg["cartoon.jpg"] == (inputs / "a.jpg").read_bytes()
    assert png["cartoon.png"] == (inputs / "b.png").read_bytes()
    assert pixels(webp["cartoon.png"]).shape == pixels(grey["cartoon.png"]).shape == (64, 64, 3)


def test_tiles_of_one_picture_share_its_split_and_shard(tmp_path: Path) -> None:
    settings = dataclasses.replace(SMALL, crop="tile", scales=(1.0, 2.0), samples_per_shard=2, test_fraction=0.5)
    build_shards(link_samples(tmp_path / "in", 4), tmp_path / "out", settings)
    for shard in read_manifest(tmp_path / "out").shards:
        samples = read_index(tmp_path / "out", shard.name).samples
        assert len(samples) > 4
        assert len({(sample.source, sample.split) for sample in samples}) == 2
        assert len({sample.key for sample in samples}) == len(samples)


@pytest.mark.parametrize("name", ["a b.jpg", 'quote".jpg', "it's.jpg", "dots.v1.2.jpg", "Überfall 富士.jpg", "-x.jpg"])
def test_unusual_file_names_work(tmp_path: Path, name: str) -> None:
    inputs = tmp_path / "in put's"
    inputs.mkdir()
    (inputs / name).symlink_to(SAMPLES / "cartoons" / "club.jpg")
    build_shards(inputs, tmp_path / "o u t")
    (sample,) = read_with_webdataset(str(tmp_path / "o u t" / "cartoon-000000.tar"))
    assert json.loads(sample["json"])["source"] == name


def test_two_jobs_never_write_the_same_folder(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 2)
    code = f"""
from pathlib import Path
from cartoon_dist.data.build.pipeline import lock_shards
folder = Path({str(tmp_path / "out")!r})
folder.mkdir()
with lock_shards(folder, range(1)):
    print("locked", flush=True)
    input()
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(ShardError, match="another job is writing there"):
            build_shards(inputs, tmp_path / "out")
        other.communicate("\n")
    assert build_shards(inputs, tmp_path / "out").num_new == 1


def test_results_come_in_order_and_the_pool_ends_with_its_reader() -> None:
    assert list(map_in_order([], str, num_workers=2)) == []
