"""A generator as a folder in the layout of a hub."""

import json
from pathlib import Path

import pytest
import torch

from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.export.model_folder import CardFacts, export_folder
from cartoon_dist.runs import trained
from cartoon_dist.runs.model_folder import is_model_folder, read_config
from cartoon_dist.tensors import from_bytes
from tests.export.test_exporter import made, photos

CPU = torch.device("cpu")


def exported(folder: Path, **facts: str) -> Path:
    export_folder(made(), folder, photos(1, 3, 16, 16), CardFacts(**facts), CPU)
    return folder


def test_it_holds_the_same_weights_and_says_so_twice(tmp_path: Path) -> None:
    folder = exported(tmp_path / "models/hayao", licence="mit", pictures_licence="CC0")
    assert is_model_folder(folder)
    photo = from_bytes(photos(1, 3, 16, 20))
    loaded = trained.load(folder / "model.safetensors", weights="ema")
    assert torch.equal(loaded.generator(photo).generated, made().generator(photo).generated)
    config = read_config(folder / "config.json")
    assert (config.settings, config.step, config.weights) == (loaded.settings, 3, "ema")
    values = json.loads((folder / "config.json").read_text())
    assert values["config"]["model"]["channels"] == 4  # readable, not a text in a text
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    assert 'load("hayao")' in card
    assert "trained on: CC0" in card


def test_an_earlier_export_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    folder = exported(tmp_path / "hayao")
    (folder / "model.safetensors").write_bytes(b"older")
    exported(folder)
    assert trained.load(folder / "model.safetensors", weights="ema").step == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/README.md").write_text("mine")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "theirs/model.safetensors").write_bytes(b"theirs")
    for other in ("mine", "theirs"):
        with pytest.raises(ConfigError, match="holds other files, which an export would replace"):
            exported(tmp_path / other)
    assert (tmp_path / "mine/README.md").read_text() == "mine"
    assert (tmp_path / "theirs/model.safetensors").read_bytes() == b"theirs"
    with pytest.raises(ConfigError, match="is a file; name a new folder"):
        exported(tmp_path / "mine/README.md")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read"),
        ("[]", "is no generator of ours"),
        ('{"model_type": "bert"}', "is no generator of ours"),
        ('{"cartoon_dist": "9"}', "is of format 9"),
        ('{"cartoon_dist": "1", "weights": "ema", "step": "3"}', "its config cannot be read"),
        ('{"cartoon_dist": "1", "weights": "ema", "step": "3", "config": {"no": 1}}', "its config cannot be read"),
    ],
)
def test_a_config_that_is_none_of_ours(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=said):
        read_config(tmp_path / "config.json")
