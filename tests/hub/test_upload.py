"""A generator given to a hub, and drawn with by the name that it got."""

import traceback
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard

from cartoon_dist import load
from cartoon_dist.errors import CartoonError, CheckpointError, ConfigError
from cartoon_dist.hub import push
from tests.hub.stand_in import TOKEN, Repository, StandIn


@pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")  # huggingface_hub's own
@pytest.mark.parametrize("lfs", [False, True])
def test_what_is_pushed_draws_as_its_folder(hub: StandIn, folder: Path, *, lfs: bool) -> None:
    hub.lfs = lfs
    photo = np.random.default_rng(0).integers(0, 256, (20, 28, 3), np.uint8)
    pushed = push(folder, "someone/new")
    [commit] = hub.repositories["someone/new"].commits
    assert pushed == f"someone/new@{commit}"
    assert hub.repositories["someone/new"].private
    files = hub.repositories["someone/new"].commits[commit]
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(hub.objects) == int(lfs)
    assert np.array_equal(load(pushed)(photo), load(folder)(photo))


def test_an_export_is_made_and_its_card_names_the_repository(hub: StandIn, folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 28, 3), np.uint8)).save(photo)
    push(folder / "model.safetensors", "hf://club/new", private=False, photo=photo, licence="cc-by-4.0")
    [files] = hub.repositories["club/new"].commits.values()
    assert not hub.repositories["club/new"].private
    assert sorted(files) == ["README.md", "config.json", "model.safetensors"]
    card = ModelCard(files["README.md"].decode())
    assert (card.data.license, card.data.library_name) == ("cc-by-4.0", "cartoon-dist")
    assert 'load("club/new")' in card.text


def test_a_public_repository_is_not_written_to_by_accident(hub: StandIn, folder: Path) -> None:
    hub.repositories["someone/open"] = Repository(private=False)
    hub.repositories["someone/open"].add({"notes.txt": b"mine"})
    with pytest.raises(ConfigError, match="this repository is public; say visibility=public"):
        push(folder, "someone/open")
    assert len(hub.repositories["someone/open"].commits) == 1
    push(folder, "someone/open", private=False)
    assert list(hub.repositories["someone/open"].commits.values())[-1]["notes.txt"] == b"mine"


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "asks for a token that it accepts"), (403, "may not write it"), (500, "500")],
)
def test_a_refused_push_is_one_line_without_the_token(hub: StandIn, folder: Path, status: int, said: str) -> None:
    hub.status = status
    with pytest.raises(CheckpointError, match=said) as caught:
        push(folder, "someone/new")
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["new", "someone/new@v1", "a/b/c", "hf://", "someone/new.safetensors"])
def test_names_to_write_to(hub: StandIn, folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a repository to write to"):
        push(folder, name)
    assert hub.requests == []


def test_a_folder_that_is_not_whole_stays_here(hub: StandIn, folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "README.md").unlink()
    with pytest.raises(CheckpointError, match=r"has no README\.md"):
        push(broken, "someone/new")
    (broken / "README.md").write_text("---\nlicense: mit\n---\n")
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(CartoonError, match="is no safetensors file"):
        push(broken, "someone/new")
    assert hub.requests == []
