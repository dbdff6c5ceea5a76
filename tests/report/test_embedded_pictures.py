"""Sample pictures in a page: which, how heavy, and what becomes of broken ones."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.report.embedded_pictures import EmbeddedPicture, embed_pictures, evenly_spaced
from tests.report.run_folders import picture


def sample_files(folder: Path, num: int, *, height: int = 30, width: int = 64) -> list[tuple[int, Path]]:
    paths = [(10 * index, folder / f"{index:03d}.png") for index in range(num)]
    for step, path in paths:
        picture(path, step, height=height, width=width)
    return paths


def content(picture: EmbeddedPicture) -> bytes:
    return base64.b64decode(picture.data_url.partition(",")[2], validate=True)


@pytest.mark.parametrize(
    ("num", "most", "expected"),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (5, 3, [0, 2, 4]), (11, 6, [0, 2, 4, 6, 8, 10]), (100, 2, [0, 99])],
)
def test_spread_by_hand(num: int, most: int, expected: list[int]) -> None:
    assert evenly_spaced(num, most) == expected


@pytest.mark.parametrize("num", [2, 24, 25, 26, 47, 48, 1000])
def test_spread_is_even_and_keeps_both_ends(num: int) -> None:
    chosen = evenly_spaced(num, 24)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, num - 1, min(num, 24))
    steps = np.diff(chosen)
    assert steps.max() - steps.min() <= 1


def test_small_pictures_go_in_byte_for_byte(tmp_path: Path) -> None:
    paths = sample_files(tmp_path, 3)
    embedded = embed_pictures(paths)
    assert [(picture.step, picture.width, picture.height) for picture in embedded.shown] == [
        (0, 64, 30),
        (10, 64, 30),
        (20, 64, 30),
    ]
    assert all(picture.data_url.startswith("data:image/png;base64,") for picture in embedded.shown)
    assert [content(picture) for picture in embedded.shown] == [path.read_bytes() for _, path in paths]
    assert (embedded.num_files, embedded.unreadable, embedded.compressed) == (3, [], False)


def test_many_pictures_are_thinned(tmp_path: Path) -> None:
    embedded = embed_pictures(sample_files(tmp_path, 50))
    assert len(embedded.shown) == 24
    assert (embedded.shown[0].step, embedded.shown[-1].step, embedded.num_files) == (0, 490, 50)


def test_heavy_pictures_become_fewer_but_never_less_than_two(tmp_path: Path) -> None:
    paths = sample_files(tmp_path, 10)
    each = len(embed_pictures(paths).shown[-1].data_url)
    assert [picture.step for picture in embed_pictures(paths, max_characters=4 * each + 3).shown] == [0, 30, 60, 90]
    assert [picture.step for picture in embed_pictures(paths, max_characters=1).shown] == [0, 90]
    assert [picture.step for picture in embed_pictures(paths[:1], max_characters=1).shown] == [0]


def test_large_pictures_are_compressed_and_stay_like_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    ramp = np.add.outer(np.arange(512), np.arange(512)) // 4
    pixels = np.stack([ramp, ramp[::-1], ramp], axis=2) + np.random.default_rng(0).integers(0, 8, (512, 512, 3))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    assert cv2.imwrite(str(path), pixels)
    assert path.stat().st_size > 300_000
    embedded = embed_pictures([(7, path)])
    [picture] = embedded.shown
    assert embedded.compressed
    assert picture.data_url.startswith("data:image/jpeg;base64,")
    assert len(content(picture)) < path.stat().st_size / 4
    seen = cv2.imdecode(np.frombuffer(content(picture), np.uint8), cv2.IMREAD_COLOR)
    assert seen is not None
    assert np.abs(seen.astype(int) - pixels).mean() < 5


def test_broken_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    paths = sample_files(tmp_path, 6)
    whole = paths[1][1].read_bytes()
    paths[1][1].write_bytes(whole[: len(whole) // 2])  # half written
    paths[3][1].write_bytes(b"")
    paths[4][1].write_bytes(b"no picture")
    paths[5][1].unlink()
    paths[5][1].mkdir()
    embedded = embed_pictures(paths)
    assert [picture.step for picture in embedded.shown] == [0, 20]
    assert embedded.unreadable == ["001.png", "003.png", "004.png", "005.png"]
    assert embed_pictures(paths[3:]).shown == []
    assert embed_pictures([]).shown == []
