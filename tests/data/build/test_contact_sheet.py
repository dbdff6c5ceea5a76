"""The contact sheet of a folder: which samples it shows, and that it is written only when it changes."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.data.audit.verify import verify_folder
from cartoon_dist.data.build.contact_sheet import CONTACT_SHEET, write_contact_sheet
from cartoon_dist.data.format.manifest import read_index, read_manifest
from cartoon_dist.data.format.reader import Shards
from tests.data.shard_folders import SMALL, build_shards, link_samples


@pytest.mark.parametrize(("num_pictures", "shown"), [(2, [0, 1]), (18, [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17])])
def test_samples_are_spread_evenly(tmp_path: Path, num_pictures: int, shown: list[int]) -> None:
    out = tmp_path / "out"
    build_shards(link_samples(tmp_path / "in", num_pictures), out)
    sheet = cv2.imread(str(write_contact_sheet(out)), cv2.IMREAD_COLOR_RGB)
    samples = [Shards(folder=out, domain="cartoon", split=None).read(position) for position in shown]
    assert sheet is not None
    columns = min(3, num_pictures)
    for place, sample in enumerate(samples):
        top, left = 8 + place // columns * 90, 8 + place % columns * 136  # 64 pixels, a caption of 18, a gap of 8
        assert np.array_equal(sheet[top : top + 64, left : left + 64], sample.picture)
        assert np.array_equal(sheet[top : top + 64, left + 64 : left + 128], sample.companion)


def test_sheet_is_not_verified_and_only_written_when_changed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_shards(link_samples(tmp_path / "in", 2), out)
    path = write_contact_sheet(out)
    written = path.stat().st_mtime_ns, path.read_bytes()
    assert write_contact_sheet(out) == path
    assert (path.stat().st_mtime_ns, path.read_bytes()) == written
    path.write_bytes(b"drawn over")
    assert verify_folder(out, shown=False)[1] == []
    assert write_contact_sheet(out).read_bytes() == written[1]
    assert path.name == CONTACT_SHEET


def test_flat_labels_are_counted(tmp_path: Path) -> None:
    inputs = link_samples(tmp_path / "in", 2, "photos")
    for name, level in (("plain.png", 90), ("white.png", 255)):
        cv2.imwrite(str(inputs / name), np.full((64, 64, 3), level, np.uint8))
    result = build_shards(inputs, tmp_path / "out", SMALL, domain="photo")
    assert (result.finished.num_flat_labels, result.num_prepared) == (2, 4)
    shards = read_manifest(tmp_path / "out").shards
    assert sum(read_index(tmp_path / "out", shard.name).num_flat_labels for shard in shards) == 2
    again = build_shards(inputs, tmp_path / "out", SMALL, domain="photo")
    assert (again.finished.num_flat_labels, again.num_prepared, again.num_new) == (2, 0, 0)
