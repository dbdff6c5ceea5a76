"""A damaged picture in a folder that is scored is named, whether it is the first or not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cartoon_dist.errors import CartoonError
from cartoon_dist.metrics.folders import PictureFolder

DAMAGE = ["empty", "cut", "dangling", "no picture", "a loop"]


def damaged(path: Path, how: str) -> Path:
    whole = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))[1].tobytes()
    if how in ("dangling", "a loop"):
        path.symlink_to(path if how == "a loop" else path.with_name("nowhere.png"))
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "no picture": b"x" * 100}[how])
    return path


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", ["a.png", "c.png"])
def test_a_damaged_picture_is_named(name: str, how: str, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((16, 16, 3), np.uint8))
    damaged(tmp_path / name, how)

    def score() -> None:
        folder = PictureFolder(tmp_path)
        folder.fingerprint()
        folder.pictures(range(len(folder)))

    with pytest.raises(CartoonError, match=rf"{name}: "):
        score()
