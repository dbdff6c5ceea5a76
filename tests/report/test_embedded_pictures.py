"""Sample pictures in a page: which, how heavy, and what becomes of broken ones."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.report.embedded_pictures import Frame, frames, spread
from tests.report.run_folders import picture


def found(folder: Path, num: int, *, height: int = 30, width: int = 64) -> list[tuple[int, Path]]:
    paths = [(10 * number, folder / f"{number:03d}.png") for number in range(num)]
    for step, path in paths:
        picture(path, step, height=height, width=width)
    return paths


def content(frame: Frame) -> bytes:
    return base64.b64decode(frame.address.partition(",")[2], validate=True)


@pytest.mark.parametrize(
    ("num", "most", "expected"),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (5, 3, [0, 2, 4]), (11, 6, [0, 2, 4, 6, 8, 10]), (100, 2, [0, 99])],
)
def test_spread_by_hand(num: int, most: int, expected: list[int]) -> None:
    assert spread(num, most) == expected


@pytest.mark.parametrize("num", [2, 24, 25, 26, 47, 48, 1000])
def test_spread_is_even_and_keeps_both_ends(num: int) -> None:
    chosen = spread(num, 24)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, num - 1, min(num, 24))
    steps = np.diff(chosen)
    assert steps.max() - steps.min() <= 1


def test_small_pictures_go_in_byte_for_byte(tmp_path: Path) -> None:
    paths = found(tmp_path, 3)
    held = frames(paths)
    assert [(frame.step, frame.width, frame.height) for frame in held.shown] == [
        (0, 64, 30),
        (10, 64, 30),
        (20, 64, 30),
    ]
    assert all(frame.address.startswith("data:image/png;base64,") for frame in held.shown)
    assert [content(frame) for frame in held.shown] == [path.read_bytes() for _, path in paths]
    assert (held.num_found, held.unreadable, held.compressed) == (3, [], False)


def test_many_pictures_are_thinned(tmp_path: Path) -> None:
    held = frames(found(tmp_path, 50))
    assert len(held.shown) == 24
    assert (held.shown[0].step, held.shown[-1].step, held.num_found) == (0, 490, 50)


def test_heavy_pictures_become_fewer_but_never_less_than_two(tmp_path: Path) -> None:
    paths = found(tmp_path, 10)
    each = len(frames(paths).shown[-1].address)
    assert [frame.step for frame in frames(paths, budget=4 * each + 3).shown] == [0, 30, 60, 90]
    assert [frame.step for frame in frames(paths, budget=1).shown] == [0, 90]
    assert [frame.step for frame in frames(paths[:1], budget=1).shown] == [0]


def test_large_pictures_are_compressed_and_stay_like_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    ramp = np.add.outer(np.arange(512), np.arange(512)) // 4
    pixels = np.stack([ramp, ramp[::-1], ramp], axis=2) + np.random.default_rng(0).integers(0, 8, (512, 512, 3))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    assert cv2.imwrite(str(path), pixels)
    assert path.stat().st_size > 300_000
    held = frames([(7, path)])
    [frame] = held.shown
    assert held.compressed
    assert frame.address.startswith("data:image/jpeg;base64,")
    assert len(content(frame)) < path.stat().st_size / 4
    seen = cv2.imdecode(np.frombuffer(content(frame), np.uint8), cv2.IMREAD_COLOR)
    assert seen is not None
    assert np.abs(seen.astype(int) - pixels).mean() < 5


def test_broken_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    paths = found(tmp_path, 6)
    whole = paths[1][1].read_bytes()
    paths[1][1].write_bytes(whole[: len(whole) // 2])  # half written
    paths[3][1].write_bytes(b"")
    paths[4][1].write_bytes(b"no picture")
    paths[5][1].unlink()
    paths[5][1].mkdir()
    held = frames(paths)
    assert [frame.step for frame in held.shown] == [0, 20]
    assert held.unreadable == ["001.png", "003.png", "004.png", "005.png"]
    assert frames(paths[3:]).shown == []
    assert frames([]).shown == []
