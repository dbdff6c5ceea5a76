"""Labels from `saliency.external`: found by name, cropped like their pictures, and recorded with the job."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.config.shards import SaliencySettings, ShardSettings
from cartoon_dist.data.audit.repair import repair_folder
from cartoon_dist.data.build.job import read_job
from cartoon_dist.data.format.manifest import read_manifest
from cartoon_dist.data.inputs.external_labels import find_map
from cartoon_dist.data.inputs.sources import FrameLocation, InputPicture
from cartoon_dist.errors import ShardError
from cartoon_dist.image.crop import resize_and_crop
from cartoon_dist.image.decode import decode
from tests.data.build.test_pipeline import pixels, read_with_webdataset
from tests.data.shard_folders import SMALL, build_shards, link_samples


def with_external(folder: Path, **others: object) -> ShardSettings:
    return dataclasses.replace(SMALL, saliency=SaliencySettings(external=str(folder)), **others)


def photos(folder: Path, num: int = 3) -> Path:
    """Real photos, one of them in a folder below."""
    inputs = link_samples(folder, num, "photos")
    first = sorted(inputs.iterdir())[0]
    (inputs / "deep").mkdir()
    first.rename(inputs / "deep" / first.name)
    return inputs


def make_maps(inputs: Path, folder: Path, *, scale: float = 1.0) -> Path:
    """Each photo's red channel as its map: map and photo must be scaled and cropped alike."""
    for path in inputs.rglob("*.jpg"):
        red = np.ascontiguousarray(decode(path.read_bytes(), max_megapixels=100)[..., 0])
        if scale != 1:
            red = cv2.resize(red, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        target = (folder / path.relative_to(inputs)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), red)
    return folder


def samples(out: Path) -> list[dict[str, bytes]]:
    return read_with_webdataset(*sorted(str(path) for path in out.glob("*.tar")))


def grey(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("crop", ["resize", "tile"])
def test_maps_are_cropped_like_their_pictures(tmp_path: Path, crop: str, num_workers: int) -> None:
    inputs = photos(tmp_path / "in")
    settings = with_external(make_maps(inputs, tmp_path / "maps"), crop=crop, num_workers=num_workers)
    build_shards(inputs, tmp_path / "out", settings, domain="photo")
    stored = samples(tmp_path / "out")
    assert len(stored) == 3 if crop == "resize" else len(stored) > 10
    assert "deep" in {json.loads(sample["json"])["source"].split("/")[0] for sample in stored}
    for sample in stored:
        label = grey(sample["saliency.png"])
        assert (label.shape, label.dtype) == ((64, 64), np.uint8)
        np.testing.assert_array_equal(label, pixels(sample["photo.png"])[..., 0])


def test_a_map_may_have_the_pictures_shape_or_be_the_cropped_square(tmp_path: Path) -> None:
    inputs = photos(tmp_path / "in", 2)
    maps = make_maps(inputs, tmp_path / "maps", scale=0.43)
    path = min(inputs.glob("*.jpg"))
    square = resize_and_crop(decode(path.read_bytes(), max_megapixels=100), size=64).pixels[..., 1]
    cv2.imwrite(str((maps / path.name).with_suffix(".png")), np.ascontiguousarray(square))
    build_shards(inputs, tmp_path / "out", with_external(maps), domain="photo")
    for sample in samples(tmp_path / "out"):
        photo, label = pixels(sample["photo.png"]), grey(sample["saliency.png"])
        if json.loads(sample["json"])["source"] == path.name:
            np.testing.assert_array_equal(label, photo[..., 1])
        else:
            assert np.abs(label.astype(int) - photo[..., 0]).mean() < 4


def test_pictures_with_unusable_maps_are_skipped_with_the_reason(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 6, "photos")
    maps = make_maps(inputs, tmp_path / "maps")
    missing, small, coloured, broken, other, _ = sorted(path.stem for path in inputs.iterdir())
    (maps / f"{missing}.png").unlink()
    cv2.imwrite(str(maps / f"{small}.png"), np.zeros((30, 31), np.uint8))
    cv2.imwrite(str(maps / f"{coloured}.png"), np.full((40, 40, 3), (1, 2, 3), np.uint8))
    (maps / f"{broken}.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    (maps / f"{other}.png").rename(maps / f"{other}.bmp")  # says BMP and holds a PNG: content counts
    lenient = with_external(maps, max_broken=1.0)
    manifest = build_shards(inputs, tmp_path / "out", lenient, domain="photo").finished.manifest
    reasons = {picture.source: picture.reason for picture in manifest.skipped}
    assert set(reasons) == {f"{stem}.jpg" for stem in (missing, small, coloured, broken)}
    assert reasons[f"{missing}.jpg"] == f"has no map in {maps}"
    assert reasons[f"{small}.jpg"].startswith("its map has 31 x 30 pixels, which is not the shape of ")
    assert reasons[f"{coloured}.jpg"] == "its map is coloured; give it in grey"
    assert reasons[f"{broken}.jpg"].startswith("its map: the file is cut off")
    with pytest.raises(ShardError, match=r"pictures are broken, more than max_broken=0.01"):
        build_shards(inputs, tmp_path / "strict", with_external(maps), domain="photo")


@pytest.mark.slow
def test_changed_maps_are_refused_and_unchanged_ones_allow_repair(tmp_path: Path) -> None:
    inputs = photos(tmp_path / "in")
    maps = make_maps(inputs, tmp_path / "maps")
    build_shards(inputs, tmp_path / "out", with_external(maps), domain="photo")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.tar")}
    (tmp_path / "out" / "photo-000000.tar").write_bytes(b"lost")
    assert repair_folder(tmp_path / "out", shown=False) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.tar")} == whole
    assert build_shards(inputs, tmp_path / "out", with_external(maps), domain="photo").num_new == 0

    changed = min(maps.glob("*.png"))
    cv2.imwrite(str(changed), np.zeros_like(grey(changed.read_bytes())))
    with pytest.raises(ShardError, match=rf"1 with another map: {changed.stem}.jpg"):
        build_shards(inputs, tmp_path / "out", with_external(maps), domain="photo")
    (tmp_path / "out" / "photo-000000.tar").write_bytes(b"lost")
    with pytest.raises(ShardError, match=rf"1 pictures of the shards to build, or their maps, .*{changed.stem}.jpg"):
        repair_folder(tmp_path / "out", shown=False)
    with pytest.raises(ShardError, match=r"saliency.external: .*maps -> None"):
        build_shards(inputs, tmp_path / "out", domain="photo")


def test_a_job_names_its_maps_by_their_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = photos(tmp_path / "in", 1)
    make_maps(inputs, tmp_path / "maps")
    monkeypatch.chdir(tmp_path)
    build_shards(inputs, tmp_path / "out", with_external(Path("maps")), domain="photo")
    job = read_job(tmp_path / "out")
    assert job.settings["saliency"] == {"variant": "public", "external": str(tmp_path / "maps")}
    [map_file] = (tmp_path / "maps").rglob("*.png")
    assert [picture.map_bytes for picture in job.pictures] == [map_file.stat().st_size]
    assert read_manifest(tmp_path / "out").settings["saliency"] == job.settings["saliency"]


def test_a_missing_folder_of_maps_is_refused_at_once(tmp_path: Path) -> None:
    inputs = photos(tmp_path / "in", 1)
    with pytest.raises(ShardError, match=r"nowhere: no such folder; saliency.external names"):
        build_shards(inputs, tmp_path / "out", with_external(tmp_path / "nowhere"), domain="photo")
    assert not (tmp_path / "out").exists()


def test_maps_of_frames_and_of_names_with_dots_are_found(tmp_path: Path) -> None:
    frame = FrameLocation(0, "scene", (0, 0, 1, 1), "0")
    for name in ("film.mp4/00h00m01.500s", "dots.v1.2"):
        (tmp_path / f"{name}.png").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.png").touch()
    picture = InputPicture("film.mp4/00h00m01.500s", "s", "train", 1, frame)
    assert find_map(picture, tmp_path) == tmp_path / "film.mp4/00h00m01.500s.png"
    assert find_map(InputPicture("dots.v1.2.jpg", "s", "train", 1), tmp_path) == tmp_path / "dots.v1.2.png"
    assert find_map(InputPicture("other.jpg", "s", "train", 1), tmp_path) is None
