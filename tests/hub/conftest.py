"""A small generator as a hub holds it, and a hub of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from cartoon_dist.export.model_folder import CardFacts, export_folder
from tests.export.test_exporter import made, photos
from tests.hub.stand_in import TOKEN, Repository, StandIn, serving


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator as a folder in the hub's layout."""
    out = tmp_path_factory.mktemp("exported") / "small"
    export_folder(made(), out, photos(1, 3, 16, 16), CardFacts(), torch.device("cpu"))
    return out


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """A running hub, known to the library with a token that may read and write, and an empty cache."""
    with serving() as state:
        monkeypatch.setenv("HF_ENDPOINT", state.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # The library reads these variables when it is imported.
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.chdir(tmp_path)
        yield state


@pytest.fixture
def repository(hub: StandIn, folder: Path) -> Repository:
    """`someone/small` on that hub, with a file that nobody should fetch."""
    held = hub.repositories["someone/small"] = Repository()
    held.add({path.name: path.read_bytes() for path in folder.iterdir()} | {"pytorch_model.bin": b"\x80\x04K\x01."})
    return held
