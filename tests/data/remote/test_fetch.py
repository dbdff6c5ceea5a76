"""Sets behind a URL, from a real server: every byte is fetched once and checked, and each fault is reported."""

import dataclasses
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartoon_dist.data.format.manifest import FETCHED, LOCK, read_manifest, write_record
from cartoon_dist.data.format.reader import Shards
from cartoon_dist.data.remote.fetch import (
    RetryPolicy,
    fetch,
    find_remote,
    find_remote_or_cached,
    is_remote,
    local_folder,
)
from cartoon_dist.errors import ShardError
from cartoon_dist.files.locks import lock_range
from tests.data.served import Served, served
from tests.data.shard_folders import SMALL, build_shards, file_hashes, link_samples
from tests.running import LIMIT_SECONDS, environment

QUICK = RetryPolicy(tries=3, pause_seconds=0.01, stall_seconds=0.2, poll_seconds=0.01)
FETCH = """
import sys
from pathlib import Path
from cartoon_dist.data.remote.fetch import fetch, find_remote
print(fetch(find_remote(sys.argv[1]), Path(sys.argv[2]), lambda *_: None))
"""
FIRST, SECOND = "cartoon-000000.tar", "cartoon-000001.tar"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the set `style`, of three shards."""
    folder = tmp_path_factory.mktemp("shelf")
    build_shards(link_samples(folder / "in", 6), folder / "style", dataclasses.replace(SMALL, samples_per_shard=2))
    return folder


@pytest.fixture
def server(shelf: Path) -> Iterator[Served]:
    with served(shelf) as state:
        yield state


def quiet(*_: int) -> None:
    """No report."""


def fetch_into(url: str, cache: Path) -> Path:
    return fetch(find_remote(url, QUICK), cache, quiet, QUICK)


def set_files(folder: Path) -> dict[str, str]:
    return {name: sha for name, sha in file_hashes(folder).items() if name.startswith(("cartoon-", "manifest"))}


def test_urls_and_folders_are_distinguished() -> None:
    remote = ["https://a/b", "s3://a/b", "file:///a/b", "simplecache::s3://a", "gs+x.y-z://a"]
    assert all(map(is_remote, remote))
    assert not any(map(is_remote, ["runs/shards", "/a/b", "a:b", "c//d", "../x"]))


def test_every_byte_is_fetched_once(shelf: Path, server: Served, tmp_path: Path) -> None:
    reports = []
    remote_set = find_remote(f"{server.url}/style")
    folder = fetch(remote_set, tmp_path, lambda *figures: reports.append(figures), QUICK)
    assert set_files(folder) == set_files(shelf / "style")
    assert set(server.asked) == set(set_files(folder))
    assert set(server.asked.values()) == {1}
    total = sum(path.stat().st_size for path in folder.glob("*.tar"))
    assert reports[-1] == (total, total)
    assert fetch(remote_set, tmp_path, quiet, QUICK) == folder
    assert set(server.asked.values()) == {1}
    assert len(Shards(folder=folder, domain="cartoon", split=None)) == 6
    assert not list(folder.glob(".*.tmp"))


def test_file_urls_are_fetched_too(shelf: Path, tmp_path: Path) -> None:
    folder = fetch_into(f"file://{shelf}/style/", tmp_path)
    assert set_files(folder) == set_files(shelf / "style")


def test_a_killed_fetch_resumes_with_the_missing_files(shelf: Path, server: Served, tmp_path: Path) -> None:
    url = f"{server.url}/style"
    server.answers[SECOND] = ["held"]
    command = [sys.executable, "-c", FETCH, url, str(tmp_path)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as child:
        assert server.is_held.wait(LIMIT_SECONDS)
        # Wait until the other files are complete: then the fetch is in the middle.
        folder = find_remote(url, QUICK).folder(tmp_path)
        while len(list(folder.glob("cartoon-*.tar"))) < 2:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert not (folder / "manifest.json").exists()
    assert [path.name for path in folder.glob(".*.tmp")]
    before = server.asked.copy()
    assert fetch_into(url, tmp_path) == folder
    assert set_files(folder) == set_files(shelf / "style")
    assert server.asked - before == {"manifest.json": 1, SECOND: 1}
    assert not list(folder.glob(".*.tmp"))


def test_transient_errors_are_retried(shelf: Path, server: Served, tmp_path: Path) -> None:
    server.answers["manifest.json"] = [503]
    server.answers[FIRST] = [500, 500]
    server.answers[SECOND] = ["cut", 429]
    folder = fetch_into(f"{server.url}/style", tmp_path)
    assert set_files(folder) == set_files(shelf / "style")
    assert (server.asked["manifest.json"], server.asked[FIRST], server.asked[SECOND]) == (2, 3, 3)


def test_retries_end(server: Served, tmp_path: Path) -> None:
    server.answers[FIRST] = [500] * 9
    with pytest.raises(ShardError, match=rf"{FIRST}: 500 .*\(tried 3 times\)$"):
        fetch_into(f"{server.url}/style", tmp_path)
    assert server.asked[FIRST] == 3


@pytest.mark.parametrize("name", [FIRST, "cartoon-000000.index.json", "manifest.json"])
def test_damaged_bytes_are_named_and_refused(server: Served, tmp_path: Path, name: str) -> None:
    server.answers[name] = ["damaged"]
    with pytest.raises(ShardError, match=rf"^http\S+/style/{name}: (not the bytes|damaged)"):
        fetch_into(f"{server.url}/style", tmp_path)
    assert not list(tmp_path.rglob(name))
    assert server.asked[name] == 1
    assert not list(tmp_path.rglob(".*.tmp"))


def test_a_missing_file_is_reported_without_retries(shelf: Path, server: Served, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"/styles/manifest\.json: 404 .*; give the URL of a finished shard folder"):
        fetch_into(f"{server.url}/styles", tmp_path)
    server.answers[FIRST] = [404]
    with pytest.raises(ShardError, match=rf"{FIRST}: 404"):
        fetch_into(f"{server.url}/style", tmp_path)
    assert server.asked["manifest.json"] == 2
    with pytest.raises(ShardError, match=r"nothing/manifest\.json: is not there"):
        find_remote(f"file://{shelf}/nothing", QUICK)
    with pytest.raises(ShardError, match="nosuch"):
        find_remote("nosuch://a/b", QUICK)
    with pytest.raises(ShardError, match=r"cannot be reached \(Connection refused\).*\(tried 3 times\)"):
        find_remote(f"http://127.0.0.1:{free_port()}/x", QUICK)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_an_index_of_another_shard_is_refused(shelf: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(shelf / "style", tmp_path / "style"))
    shutil.copy(place / "cartoon-000001.index.json", place / "cartoon-000000.index.json")
    with pytest.raises(ShardError, match=r"cartoon-000000\.index\.json: describes another shard"):
        fetch_into(f"file://{place}", tmp_path / "cache")


@pytest.mark.parametrize("name", ["../x.tar", "a/b.tar", ".x.tar", "x.zip", "/x.tar", SECOND])
def test_a_manifest_cannot_name_a_file_outside_the_cache(shelf: Path, tmp_path: Path, name: str) -> None:
    place = Path(shutil.copytree(shelf / "style", tmp_path / "style"))
    manifest = read_manifest(place)
    first, *rest = manifest.shards
    write_record(
        place / "manifest.json", dataclasses.replace(manifest, shards=(dataclasses.replace(first, name=name), *rest))
    )
    with pytest.raises(ShardError, match="it names shards"):
        fetch_into(f"file://{place}", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_two_sets_and_two_versions_never_share_a_folder(shelf: Path, tmp_path: Path) -> None:
    for name in ("a/style", "b/style"):
        shutil.copytree(shelf / "style", tmp_path / name)
    cache = tmp_path / "cache"
    folders = [fetch_into(f"file://{tmp_path}/{name}", cache) for name in ("a/style", "b/style")]
    manifest = read_manifest(tmp_path / "a/style")
    write_record(tmp_path / "a/style/manifest.json", dataclasses.replace(manifest, shards=manifest.shards[:2]))
    folders.append(fetch_into(f"file://{tmp_path}/a/style", cache))
    assert len(set(folders)) == 3
    assert local_folder(f"file://{tmp_path}/a/style", str(cache)) == folders[2]
    assert local_folder(f"file://{tmp_path}/b/style/", str(cache)) == folders[1]
    with pytest.raises(ShardError, match="no copy of it"):
        local_folder(f"file://{tmp_path}/c/style", str(cache))


def test_a_complete_copy_is_used_when_the_server_is_down(shelf: Path, tmp_path: Path) -> None:
    with served(shelf) as server:
        url = f"{server.url}/style"
        folder = fetch_into(url, tmp_path)
    remote_set, warning = find_remote_or_cached(url, tmp_path, QUICK)
    assert "cannot be reached" in warning
    assert str(folder) in warning
    assert fetch(remote_set, tmp_path, quiet, QUICK) == folder
    (folder / "manifest.json").unlink()
    with pytest.raises(ShardError, match="cannot be reached"):
        find_remote_or_cached(url, tmp_path, QUICK)


def test_a_file_that_was_deleted_or_cut_in_the_cache_is_fetched_again(
    shelf: Path, server: Served, tmp_path: Path
) -> None:
    folder = fetch_into(f"{server.url}/style", tmp_path)
    (folder / FIRST).unlink()
    (folder / SECOND).write_bytes((folder / SECOND).read_bytes()[:-512])
    before = server.asked.copy()
    fetch_into(f"{server.url}/style", tmp_path)
    assert set_files(folder) == set_files(shelf / "style")
    assert server.asked - before == {"manifest.json": 1, FIRST: 1, SECOND: 1}


def test_damage_in_a_copy_says_how_to_repair_it(server: Served, tmp_path: Path) -> None:
    folder = fetch_into(f"{server.url}/style", tmp_path)
    content = bytearray((folder / FIRST).read_bytes())
    content[700] ^= 1
    (folder / FIRST).write_bytes(content)
    [fault] = Shards(folder=folder, domain="cartoon", split=None).damaged(share=slice(None))
    assert fault.startswith(f"{folder / FIRST}: not the bytes")
    assert fault.endswith("delete this file: the next start fetches it again")


def test_two_runs_fetch_once(server: Served, tmp_path: Path) -> None:
    server.answers[FIRST] = ["held"]
    remote_set = find_remote(f"{server.url}/style")
    found: list[Path] = []
    both = [
        threading.Thread(
            target=lambda: found.append(fetch(remote_set, tmp_path, quiet, RetryPolicy(poll_seconds=0.01)))
        )
        for _ in range(2)
    ]
    for each in both:
        each.start()
    assert server.is_held.wait(LIMIT_SECONDS)
    server.go_on.set()
    for each in both:
        each.join()
    assert found == [remote_set.folder(tmp_path)] * 2
    assert set(server.asked.values()) == {1}


def test_waiting_for_a_stalled_run_has_a_limit(server: Served, tmp_path: Path) -> None:
    remote_set = find_remote(f"{server.url}/style")
    folder = remote_set.folder(tmp_path)
    folder.mkdir()
    (folder / FETCHED).write_text(json.dumps({"url": remote_set.url, "host": "node7", "pid": 42}))
    with (
        lock_range(folder / LOCK, None, AssertionError()),
        pytest.raises(ShardError, match=r"process 42 on node7 is fetching http\S+ and has had no byte for 0\.2 s"),
    ):
        fetch(remote_set, tmp_path, quiet, QUICK)


def test_a_full_disk_is_reported_before_anything_is_fetched(shelf: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(shelf / "style", tmp_path / "style"))
    manifest = read_manifest(place)
    first, *rest = manifest.shards
    huge = dataclasses.replace(first, bytes=10**18)
    write_record(place / "manifest.json", dataclasses.replace(manifest, shards=(huge, *rest)))
    with pytest.raises(ShardError, match=r"GB are free and 1000000000\.00 GB are to be fetched"):
        fetch_into(f"file://{place}", tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.tar"))


def test_a_cache_that_cannot_be_written_is_an_error_on_one_line(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ShardError, match=r"cannot be written \(Not a directory\)"):
        fetch_into(f"file://{shelf}/style", tmp_path / "cache")


def test_s3_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ShardError, match=r"pip install 'cartoon-dist\[remote\]'"):
        find_remote("s3://bucket/style", QUICK)
