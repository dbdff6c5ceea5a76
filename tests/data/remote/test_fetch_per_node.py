"""Nodes with caches of their own, each a process here: one manifest for all, one error for all, no endless waiting."""

import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.remote import fetch_per_node
from cartoon_dist.data.remote.fetch import RetryPolicy, find_remote_or_cached
from cartoon_dist.errors import ShardError
from cartoon_dist.train.dry_run import describe_run
from tests.data.served import served
from tests.running import LIMIT_SECONDS, environment, own_words

NODE = """
import sys
from cartoon_dist.distributed import collectives
from cartoon_dist.data.remote.fetch_per_node import fetch_shards
from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.errors import ShardError
collectives.init_process_group()
try:
    print("found", fetch_shards(read(TrainSettings, [], sys.argv[1:], run_dir="x")).data.photos)
except ShardError as error:
    print("error", error)
collectives.destroy_process_group()
"""


def settings(url: str, cache: Path) -> TrainSettings:
    return read(TrainSettings, [], [f"data.photos={url}", f"data.cache={cache}"], run_dir="x")


def on_nodes(url: str, caches: list[Path]) -> list[list[str]]:
    """The output of each node, split into its first word and the rest."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    running = []
    for rank, cache in enumerate(caches):
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
        place |= {"RANK": str(rank), "WORLD_SIZE": str(len(caches))}
        command = [sys.executable, "-c", NODE, f"data.photos={url}", f"data.cache={cache}"]
        running.append(subprocess.Popen(command, env=environment() | place, stdout=subprocess.PIPE, text=True))
    return [own_words(process.communicate(timeout=LIMIT_SECONDS)[0]).split(maxsplit=1) for process in running]


@pytest.mark.slow
def test_each_node_fetches_a_copy_by_the_manifest_that_one_process_read(shards: Path, tmp_path: Path) -> None:
    with served(shards) as server:
        found = on_nodes(f"{server.url}/photos", [tmp_path / "a", tmp_path / "b"])
    names = []
    for how, path in found:
        assert how == "found"
        names.append(Path(path.strip()).name)
        assert (Path(path.strip()) / "manifest.json").read_bytes() == (shards / "photos/manifest.json").read_bytes()
    assert names[0] == names[1]
    assert server.asked == {"manifest.json": 1, "photo-000000.tar": 2, "photo-000000.index.json": 2}


@pytest.mark.slow
def test_an_error_on_one_node_reaches_all(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("no folder")
    with served(shards) as server:
        found = on_nodes(f"{server.url}/photos", [tmp_path / "a", tmp_path / "b"])
    assert [how for how, _ in found] == ["error", "error"]
    assert found[0] == found[1]
    assert str(tmp_path / "b") in found[0][1]


def test_waiting_for_a_silent_server_has_a_limit(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_per_node, "STALL_SECONDS", 0.2)
    monkeypatch.setattr(fetch_per_node, "POLL_SECONDS", 0.02)
    with served(shards) as server:
        server.answers["photo-000000.tar"] = ["held"]
        who = rf"process 0 on {socket.gethostname()} has had no byte for 0\.2 s"
        with pytest.raises(ShardError, match=who):
            fetch_per_node.fetch_shards(settings(f"{server.url}/photos", tmp_path))


def test_a_bug_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_per_node, "find_remote_or_cached", None)
    with pytest.raises(TypeError):
        fetch_per_node.fetch_shards(settings("file:///x", tmp_path))


def test_local_folders_stay_in_the_settings(tmp_path: Path) -> None:
    here = settings(str(tmp_path), tmp_path / "cache")
    assert fetch_per_node.fetch_shards(here) == here
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_down_is_warned_of_where_there_is_a_copy(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    policy = RetryPolicy(tries=1, pause_seconds=0.01, stall_seconds=0.2, poll_seconds=0.01)
    monkeypatch.setattr(fetch_per_node, "find_remote_or_cached", partial(find_remote_or_cached, policy=policy))
    monkeypatch.setattr(fetch_per_node, "POLL_SECONDS", 0.02)
    with served(shards) as server:
        url = f"{server.url}/photos"
        first = fetch_per_node.fetch_shards(settings(url, tmp_path))
    assert caplog.messages == []
    assert fetch_per_node.fetch_shards(settings(url, tmp_path)) == first
    [warning] = caplog.messages
    assert "cannot be reached" in warning


def test_a_dry_run_says_why_a_set_cannot_be_counted(shards: Path, tmp_path: Path) -> None:
    with served(shards) as server:
        url = f"{server.url}/photos"
        server.answers["manifest.json"] = [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx"]
        said = describe_run(settings(url, tmp_path), world_size=1)
    assert f"6,659  the paper's number, as {url}/manifest.json: its server says Content-Length: -1" in said
