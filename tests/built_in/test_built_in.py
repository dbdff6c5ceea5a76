"""The model in the box: its file, its card, and what it draws."""

import re
import subprocess
import tomllib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cartoon_dist.built_in import FILE, built_in_model
from cartoon_dist.errors import CheckpointError
from cartoon_dist.files.bounded import sha256_of
from cartoon_dist.files.json_yaml import parse_yaml
from cartoon_dist.image.decode import Picture, decode
from cartoon_dist.inference.load import LoadedModel, load_model
from tests.running import ROOT

CARD = FILE.with_name("README.md")
HELD_OUT = ROOT / "shards/samples/photos"
"""Of these pictures only those under CC-BY-SA are used here: the model never saw them."""


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(built_in_model(), weights=None, device="cpu", megapixels=1.0)


def drawn(model: LoadedModel, photo: Picture) -> Picture:
    [drawing] = model.cartoonizer.cartoonize([photo])
    return drawing


def photo(name: str) -> Picture:
    return np.ascontiguousarray(decode((HELD_OUT / name).read_bytes(), max_megapixels=1.0)[:384, :512])


def nyquist(picture: Picture) -> float:
    """How strong the finest stripes are, in grey levels: the mean size of what alternates from pixel to pixel."""
    values = picture.astype(np.float64)
    across = values[:, :-2] - 2 * values[:, 1:-1] + values[:, 2:]
    down = values[:-2] - 2 * values[1:-1] + values[2:]
    return float((np.abs(across).mean() + np.abs(down).mean()) / 8)


def test_the_file_is_small_finite_and_in_half_precision() -> None:
    assert FILE.stat().st_size <= 8_000_000
    weights = load_file(FILE)
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert all(bool(weight.isfinite().all()) for weight in weights.values())


def test_the_measure_sees_stripes() -> None:
    flat = np.full((64, 64, 3), 100, np.uint8)
    striped = flat.copy()
    striped[:, ::2] += 8
    assert nyquist(flat) == 0
    assert nyquist(striped) == pytest.approx(2)


@pytest.mark.parametrize("name", ["bridge.jpg", "greentock.jpg"])
def test_it_draws_a_photo_with_less_noise_in_its_own_colours(model: LoadedModel, name: str) -> None:
    taken = photo(name)
    drawing = drawn(model, taken)
    assert drawing.shape == taken.shape
    difference = np.abs(drawing.astype(int) - taken.astype(int)).mean()
    assert 3 < difference < 50  # changed, and still the picture
    assert nyquist(drawing) < nyquist(taken)
    shift = np.abs(drawing.mean((0, 1)) - taken.mean((0, 1))).max()
    assert shift < 50  # brighter, not another colour


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (90, 140, 220), (200, 60, 40), (40, 120, 50)])
def test_a_flat_picture_stays_free_of_stripes_and_frames(model: LoadedModel, colour: tuple[int, int, int]) -> None:
    flat = np.full((96, 128, 3), colour, np.uint8)
    drawing = drawn(model, flat)
    assert nyquist(drawing) < 0.5
    inner = drawing[32:-32, 32:-32].reshape(-1, 3).mean(0)
    assert np.abs(drawing.astype(float) - inner).max() < 12


def test_the_card_describes_this_very_file() -> None:
    text = CARD.read_text(encoding="utf-8")
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert head is not None
    fields = parse_yaml(head[1])
    assert fields["license"] == "mit"
    assert {"renpy-thequestion", "gcompris-qt-data"} <= set(fields["datasets"])
    assert fields["library_name"] == "cartoon-dist"
    assert sha256_of(FILE) in text
    assert "stand-in" in text


def test_the_card_names_the_command_and_the_licences() -> None:
    text = CARD.read_text(encoding="utf-8")
    for said in ("bench.training_pictures", "configs/built_in.yaml", "precision=fp16", "CC-BY", "CC0", "MIT"):
        assert said in text


def test_file_and_card_are_tracked_and_packaged() -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    patterns = packaged.get("cartoon_dist.built_in", packaged.get("*"))
    assert {"*.safetensors", "README.md"} <= set(patterns)
    if not (ROOT / ".git").exists():
        pytest.skip("only a checkout knows what is tracked")
    tracked = subprocess.run(
        ["git", "ls-files", "cartoon_dist/built_in"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {f"cartoon_dist/built_in/{name}" for name in ("anime.safetensors", "README.md")} <= set(tracked)


def test_an_installation_without_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cartoon_dist.built_in.FILE", FILE.with_name("gone.safetensors"))
    with pytest.raises(CheckpointError, match="has no built-in model"):
        built_in_model()
