"""The hub by the commands, as a user types them, in processes of their own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cartoon_dist import load
from tests.hub.stand_in import TOKEN, StandIn
from tests.running import script


def said(name: str, *words: str | Path, status: int = 0) -> tuple[str, list[str]]:
    """A command's last line on standard output, and its lines on standard error; neither holds the token."""
    done = script(name, *words)
    assert done.returncode == status, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return (done.stdout.splitlines() or [""])[-1], done.stderr.splitlines()


@pytest.mark.slow
def test_a_model_goes_to_the_hub_and_draws_by_its_name(
    hub: StandIn, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    photo = np.random.default_rng(0).integers(0, 256, (20, 28, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    last, _ = said("launch/export.py", folder, "hf://someone/new", "visibility=public")
    [commit] = hub.repositories["someone/new"].commits
    assert last == f"someone/new@{commit}: is on the hub; draw with it by this name"
    assert not hub.repositories["someone/new"].private
    said("launch/cartoonize.py", "someone/new", tmp_path / "photo.png", tmp_path / "drawn.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "drawn.png")), load(folder)(photo))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if path.name == "model.safetensors"]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []

    hub.status = 403
    for words in (
        ("launch/export.py", folder, "hf://someone/new"),
        ("launch/cartoonize.py", "someone/other", tmp_path / "photo.png", tmp_path / "drawn.png"),
    ):
        _, lines = said(*words, status=2)
        [error] = [line for line in lines if line.startswith("error:")]
        assert "hf auth login, or set HF_TOKEN" in error
