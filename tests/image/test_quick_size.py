"""The size of a picture from the beginning of its file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cartoon_dist.image.quick_size import estimated_pixels, num_pixels
from tests.image.test_pillow_formats import saved


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "AVIF", "HEIC"])
def test_the_beginning_of_a_large_file_is_enough(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (320, 640, 3), np.uint8)
    data = saved(kind, Image.fromarray(noise))
    assert len(data) > 1 << 16
    (tmp_path / "a").write_bytes(data)
    assert num_pixels(tmp_path / "a") == 320 * 640
    (tmp_path / "a").write_bytes(data[: 1 << 16])
    assert num_pixels(tmp_path / "a") == 320 * 640


@pytest.mark.parametrize(
    "data", [b"", b"words", b"II*\0\xff\xff\xff\xff", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a"]
)
def test_what_tells_no_size_has_none(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    assert num_pixels(tmp_path / "a") is None
    assert num_pixels(tmp_path / "none") is None
    assert num_pixels(tmp_path) is None


def test_what_is_not_known_counts_as_the_mean_of_the_others(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(6)]
    for index, path in enumerate(paths[:4]):
        Image.new("RGB", (10 * (index + 1), 10)).save(path)
    assert estimated_pixels(paths, max_asked=6) == [100, 200, 300, 400, 250, 250]
    assert estimated_pixels(paths, max_asked=3) == [100, 200, 300, 200, 200, 200]
    assert estimated_pixels(paths[4:], max_asked=3) == [1, 1]
    assert estimated_pixels([], max_asked=3) == []
