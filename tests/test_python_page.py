"""docs/python.md: its lines work as they stand there, one after the other, in a folder with what they name."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cartoon_dist.api import DrawingSettings
from cartoon_dist.config.reading import check
from tests.hub.conftest import folder, hub  # noqa: F401 (fixtures)
from tests.hub.stand_in import StandIn
from tests.running import ROOT
from tests.small_model import write_small_model

PAGE = (ROOT / "docs/python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_its_lines_work(hub: StandIn, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    write_small_model(tmp_path / "hayao.safetensors")
    shutil.copytree(folder, tmp_path / "models/hayao")
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(("photo.jpg", "other.png", "photos/a.jpg", "photos/b.jpg")):
        pixels = np.random.default_rng(number).integers(0, 256, (24 + 4 * number, 32, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    names: dict[str, object] = {}
    assert len(BLOCKS) == 6
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"block {number} of docs/python.md", "exec"), names)
    with Image.open(tmp_path / "drawing.jpg") as drawing:
        assert drawing.size == (32, 24)
    assert sorted(path.name for path in (tmp_path / "drawings").iterdir()) == ["a.png", "b.png"]
    assert isinstance(names["pixels"], np.ndarray)
    assert [drawing.size for drawing in names["several"]] == [(32, 24), (32, 28)]  # type: ignore[attr-defined]
    assert str(names["name"]).startswith("someone/hayao@")
    assert list(hub.repositories) == ["someone/hayao"]
    [source, error] = capsys.readouterr().out.splitlines()
    assert source == "hayao.safetensors bf16"
    assert f"print(error)  # {error}" in PAGE


def test_its_table_of_keywords_is_whole() -> None:
    [table] = re.findall(r"\| keyword \| default \| \|\n.*?\n\n", PAGE, flags=re.DOTALL)
    rows = dict(re.findall(r'^\| `(\w+)` \| `?"?([\w.]+)"?`? \|', table, flags=re.MULTILINE))
    settings = check(DrawingSettings, {})
    expected = {name: getattr(settings, name) for name in DrawingSettings.__dataclass_fields__}
    assert rows == {
        name: "ema" if name == "weights" else f"{value:g}" if isinstance(value, float) else value
        for name, value in expected.items()
    }
