"""Models of a hub's repositories: what is fetched, and what is refused before it is."""

import json
import os
import re
import sys
import traceback
from pathlib import Path

import huggingface_hub.constants
import pytest

from cartoon_dist.errors import CartoonError, CheckpointError, ConfigError
from cartoon_dist.files.bounded import MAX_EXPORT_BYTES
from cartoon_dist.hub import push
from cartoon_dist.hub.locate import locate_model
from cartoon_dist.runs import trained
from tests.hub.stand_in import TOKEN, Repository, StandIn


def fetched(hub: StandIn) -> list[str]:
    """The names of the files whose bytes were asked for."""
    return [path.rpartition("/")[2] for command, path in hub.requests if command == "GET" and "/resolve/" in path]


def refused(name: str) -> CartoonError:
    """The error of a name, after a look that neither it nor what it came from holds the token or more than a line."""
    with pytest.raises(CartoonError) as caught:
        locate_model(name)
    error = caught.value
    assert "\n" not in str(error)
    assert str(error).startswith(name)
    linked: BaseException | None = error
    while linked is not None:  # the library's own errors hold the request
        assert type(linked).__module__.startswith("cartoon_dist"), linked
        linked = linked.__cause__ or linked.__context__
    assert TOKEN not in "".join(traceback.format_exception(error))
    return error


@pytest.mark.usefixtures("repository")
def test_a_model_is_fetched_once_and_nothing_else_of_its_repository(hub: StandIn, folder: Path, tmp_path: Path) -> None:
    path = locate_model("someone/small")
    assert path.read_bytes() == (folder / "model.safetensors").read_bytes()
    assert trained.load(path, weights="ema").step == 3
    assert fetched(hub) == ["config.json", "model.safetensors"]
    assert locate_model("hf://someone/small@main") == path
    assert fetched(hub) == ["config.json", "model.safetensors"]
    held = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert held
    assert not [file for file in held if TOKEN.encode() in file.read_bytes()]


def test_a_revision_and_a_new_commit(repository: Repository, folder: Path) -> None:
    [first] = repository.commits
    old = locate_model("someone/small")
    weights = (folder / "model.safetensors").read_bytes()
    repository.add({"model.safetensors": weights.replace(b'"step":"3"', b'"step":"4"')})
    new = locate_model("someone/small")
    assert [trained.load(path, weights="ema").step for path in (old, new)] == [3, 4]
    assert locate_model(f"someone/small@{first}") == old
    error = refused("someone/small@v9")
    assert "no such revision; name a branch, tag or commit" in str(error)


@pytest.mark.usefixtures("repository")
def test_without_a_connection_the_cache_is_used(
    hub: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = locate_model("someone/small")
    hub.status = 503
    assert locate_model("someone/small") == path
    assert "the hub answers with status 503" in caplog.text
    assert "no earlier download in the cache, and the hub answers with status 503" in str(refused("someone/other"))
    hub.status, hub.requests = 0, []
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert locate_model("someone/small") == path
    assert "HF_HUB_OFFLINE is set" in str(refused("someone/other"))
    assert hub.requests == []


@pytest.mark.usefixtures("hub")
def test_a_hub_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # no one listens on port 9
    assert "the hub cannot be reached; check the connection, and HF_ENDPOINT" in str(refused("someone/small"))


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "RepoNotFound", r"no such repository on the hub that you may read; .*log in: hf auth login"),
        (401, "", "asks for a token that it accepts; log in: hf auth login"),
        (403, "GatedRepo", "its owners give it on request; ask on its page"),
        (403, "", "your token may not read it"),
        (404, "RepoNotFound", "no such repository on the hub"),
        (404, "", "no such repository on the hub"),
        (418, "", "refuses it with status 418"),
    ],
)
def test_refusals_are_one_line(hub: StandIn, status: int, code: str, said: str) -> None:
    hub.status, hub.error_code = status, code
    assert re.search(said, str(refused("someone/small")))


@pytest.mark.usefixtures("repository")
def test_a_wrong_token_is_never_shown(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}2")
    assert "for a private one log in: hf auth login, or set HF_TOKEN" in str(refused("someone/small"))
    out, err = capfd.readouterr()
    assert TOKEN not in out + err


def test_what_is_refused_before_it_is_fetched(hub: StandIn, folder: Path) -> None:
    weights, config = ((folder / name).read_bytes() for name in ("model.safetensors", "config.json"))
    held = hub.repositories
    held["someone/pickled"] = Repository()
    held["someone/pickled"].add({"config.json": config, "pytorch_model.bin": b"\x80\x04K\x01."})
    held["someone/large"] = Repository(claimed={"model.safetensors": MAX_EXPORT_BYTES + 1})
    held["someone/large"].add({"config.json": config, "model.safetensors": weights})
    held["someone/other"] = Repository()
    held["someone/other"].add(
        {"config.json": json.dumps({"model_type": "bert"}).encode(), "model.safetensors": weights}
    )
    assert "has no model.safetensors (pytorch_model.bin: pickled files are never opened)" in str(
        refused("someone/pickled")
    )
    assert "its model.safetensors is 2,147,483,649 bytes; 2,147,483,648 are the most" in str(refused("someone/large"))
    assert fetched(hub) == []
    with pytest.raises(CheckpointError, match=r"config\.json: is no generator of ours"):
        locate_model("someone/other")
    assert fetched(hub) == ["config.json"]


def test_what_is_on_the_disk_wins(hub: StandIn, repository: Repository, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "someone").mkdir()
    assert "no such run, checkpoint or export; check the path" in str(refused("someone/small"))
    (tmp_path / "someone/small").symlink_to(folder)
    assert locate_model("someone/small") == Path("someone/small/model.safetensors")
    assert hub.requests == []
    assert locate_model("hf://someone/small").parent.name == list(repository.commits)[-1]


def test_without_the_library_one_line_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "to ask the hub huggingface_hub is not installed; type: pip install 'cartoon-dist[hub]'" in str(
        refused("someone/small")
    )
    with pytest.raises(ConfigError, match="to write to the hub huggingface_hub is not installed"):
        push(tmp_path, "someone/small")


@pytest.mark.parametrize("name", ["nothing", f"nothing{os.sep}at{os.sep}all", "a/b.safetensors", "x" * 5000, "a\0b"])
def test_other_names_ask_nobody(hub: StandIn, name: str) -> None:
    assert "there is no such run, checkpoint or export; check the path, or name a repository" in str(refused(name))
    assert hub.requests == []
