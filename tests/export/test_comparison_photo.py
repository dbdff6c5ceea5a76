"""The photo that an export is compared on."""

from pathlib import Path

import pytest

from cartoon_dist.errors import ConfigError
from cartoon_dist.export.comparison_photo import comparison_photo
from cartoon_dist.runs.trained import TrainedGenerator
from tests.metrics.test_folders_damaged import DAMAGE, damaged


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_photo_is_named(how: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"photo\.png: .*give a"):
        comparison_photo(_unused(), damaged(tmp_path / "photo.png", how))


def _unused() -> TrainedGenerator:
    """A photo from a file needs no run."""
    return TrainedGenerator.__new__(TrainedGenerator)
