"""Bad responses of a server: an error on one line that names the file, nothing kept, no endless waiting."""

import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cartoon_dist.data.format.manifest import record_bytes
from cartoon_dist.data.remote import fetch as remote
from cartoon_dist.data.remote.fetch import RetryPolicy, fetch, find_remote
from cartoon_dist.errors import ShardError
from cartoon_dist.files import http
from tests.data.served import DRIP, FLOOD, FLOOD_BYTES, Served, served
from tests.data.shard_folders import SMALL, build_shards, link_samples

QUICK = RetryPolicy(tries=2, pause_seconds=0.01, stall_seconds=0.2, poll_seconds=0.01)
TAR, INDEX, MANIFEST = "cartoon-000000.tar", "cartoon-000000.index.json", "manifest.json"
OK = b"HTTP/1.1 200 OK\r\n"
PAGE = b"<!DOCTYPE html><html><title>Log in</title></html>" + b" " * 1000


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the set `style`, of one shard."""
    folder = tmp_path_factory.mktemp("shelf")
    build_shards(link_samples(folder / "in", 2), folder / "style", dataclasses.replace(SMALL, samples_per_shard=2))
    return folder


@pytest.fixture
def server(shelf: Path) -> Iterator[Served]:
    with served(shelf) as state:
        yield state


def fetch_into(server: Served, cache: Path) -> Path:
    return fetch(find_remote(f"{server.url}/style", QUICK), cache, lambda *_: None, QUICK)


def sized(content: bytes) -> bytes:
    return OK + f"Content-Length: {len(content)}\r\n\r\n".encode() + content


def refusal(server: Served, cache: Path, name: str, answer: bytes) -> str:
    """The error when each request for the file gets this answer; nothing is left on disk."""
    server.answers[name] = [answer] * 9
    with pytest.raises(ShardError) as caught:
        fetch_into(server, cache)
    assert not [*cache.rglob(name), *cache.rglob(".*.tmp")]
    said = str(caught.value)
    assert said.startswith(f"{server.url}/style/{name}: ")
    assert said.isprintable()
    return said


@pytest.mark.parametrize("name", [MANIFEST, INDEX])
def test_an_endless_small_file_is_cut_off(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(remote, "MAX_MANIFEST_BYTES", 1 << 20)
    monkeypatch.setattr(remote, "MAX_INDEX_BYTES", 1 << 20)
    assert "more than 1048576 bytes came" in refusal(server, tmp_path, name, OK + b"\r\n " + FLOOD)
    assert server.num_sent < FLOOD_BYTES // 4
    assert server.asked[name] == 1
    assert "has 99999999 bytes" in refusal(server, tmp_path, name, OK + b"Content-Length: 99999999\r\n\r\n " + FLOOD)


def test_the_limits_allow_any_set() -> None:
    assert min(remote.MAX_MANIFEST_BYTES, remote.MAX_INDEX_BYTES) >= 50 << 20


def test_a_shard_of_another_size_than_in_its_manifest_is_refused(shelf: Path, server: Served, tmp_path: Path) -> None:
    whole = (shelf / "style" / TAR).read_bytes()
    most = f"{len(whole)} "
    assert most in refusal(server, tmp_path, TAR, sized(whole + b"x"))
    assert most in refusal(server, tmp_path, TAR, OK + b"\r\n" + whole + b"x" + FLOOD)
    assert server.asked[TAR] == 2  # another try would not change that
    short = refusal(server, tmp_path, TAR, sized(whole[:-512]))
    assert f"ended after {len(whole) - 512} of {len(whole)} bytes" in short
    assert short.endswith("(tried 2 times)")


@pytest.mark.parametrize("name", [MANIFEST, INDEX, TAR])
@pytest.mark.parametrize("length", [b"-1", b"much", b"9" * 99])
def test_an_invalid_content_length_is_refused(server: Served, tmp_path: Path, name: str, length: bytes) -> None:
    assert "which is no length" in refusal(server, tmp_path, name, OK + b"Content-Length: " + length + b"\r\n\r\nx")


@pytest.mark.parametrize("name", [MANIFEST, INDEX, TAR])
def test_a_web_page_in_place_of_a_file_is_named(server: Served, tmp_path: Path, name: str) -> None:
    assert "a web page or an error in XML came in its place" in refusal(server, tmp_path, name, sized(PAGE))


def test_a_compressed_response_is_named_and_not_decompressed(server: Served, tmp_path: Path) -> None:
    packed = b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n\x1f\x8b" + bytes(10)
    assert "it came packed by gzip" in refusal(server, tmp_path, MANIFEST, OK + packed)


@pytest.mark.parametrize("name", [MANIFEST, INDEX, TAR])
def test_a_very_slow_response_is_cancelled_and_retried(
    shelf: Path, server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(http, "WINDOW_SECONDS", 1.0)
    server.answers[name] = [OK + b"\r\n{" + DRIP]
    persistent = dataclasses.replace(QUICK, tries=9)
    folder = fetch(find_remote(f"{server.url}/style", persistent), tmp_path, lambda *_: None, persistent)
    assert (folder / name).read_bytes() == (shelf / "style" / name).read_bytes()
    assert server.asked[name] > 1


def test_responses_that_stay_slow_are_an_error_on_one_line(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "WINDOW_SECONDS", 0.3)
    said = refusal(server, tmp_path, MANIFEST, OK + b"\r\n{" + DRIP)
    assert "bytes came in 0.3 s" in said or "no byte came in 0.3 s" in said
    assert said.endswith("(tried 2 times)")


def test_a_redirect_to_another_address_is_followed(shelf: Path, server: Served, tmp_path: Path) -> None:
    with served(shelf) as first:
        for name in (MANIFEST, INDEX, TAR):
            first.answers[name] = [f"HTTP/1.1 302 Found\r\nLocation: {server.url}/style/{name}\r\n\r\n".encode()]
        folder = fetch_into(first, tmp_path)
    assert (folder / TAR).read_bytes() == (shelf / "style" / TAR).read_bytes()


def test_the_target_of_a_redirect_stays_secret(server: Served, tmp_path: Path) -> None:
    """A store redirects to an address that is itself the key to the file."""
    for place in (
        "/nowhere?signature=secret",
        "http://127.0.0.1:port/?signature=secret",
        "file:///x?signature=secret",
        f"{server.url}/style/other\x01?signature=secret",
    ):
        said = refusal(server, tmp_path, MANIFEST, f"HTTP/1.1 302 Found\r\nLocation: {place}\r\n\r\n".encode("latin-1"))
        assert "secret" not in said


@pytest.mark.parametrize(
    ("key", "value"), [("bytes", -1), ("bytes", 10**400), ("num_samples", -3), ("num_train", 10**30)]
)
def test_impossible_sizes_and_counts_are_refused(
    shelf: Path, server: Served, tmp_path: Path, key: str, value: int
) -> None:
    manifest = json.loads((shelf / "style" / MANIFEST).read_text())
    del manifest["format"], manifest["own_sha256"]
    manifest["shards"][0][key] = value
    assert "damaged" in refusal(server, tmp_path, MANIFEST, sized(record_bytes(manifest)))


@pytest.mark.parametrize(
    "values",
    [
        {"format": "x" * 10**6},
        {"format": 1, "domain": "cartoon", "x" * 10**6: 1},
        {"format": 1, "settings": {}, "shards": [{"name": "/" * 10**6}]},
    ],
)
def test_error_messages_about_a_file_are_short(server: Served, tmp_path: Path, values: dict[str, object]) -> None:
    assert len(refusal(server, tmp_path, MANIFEST, sized(json.dumps(values).encode()))) < 600


def test_invalid_shard_names_are_truncated_in_the_message(shelf: Path, server: Served, tmp_path: Path) -> None:
    manifest = json.loads((shelf / "style" / MANIFEST).read_text())
    del manifest["format"], manifest["own_sha256"]
    manifest["shards"][0]["name"] = "../" + "x" * 10**6
    said = refusal(server, tmp_path, MANIFEST, sized(record_bytes(manifest)))
    assert "it names shards" in said
    assert len(said) < 600


def test_when_one_file_fails_the_others_are_not_retried(tmp_path: Path) -> None:
    build_shards(link_samples(tmp_path / "in", 4), tmp_path / "style", dataclasses.replace(SMALL, samples_per_shard=2))
    with served(tmp_path) as server:
        remote_set = find_remote(f"{server.url}/style", QUICK)
        server.answers["cartoon-000001.index.json"] = [503] * 99
        server.answers[TAR] = [404]
        with pytest.raises(ShardError, match=rf"{TAR}: 404"):
            fetch(remote_set, tmp_path / "cache", lambda *_: None, RetryPolicy(tries=2, pause_seconds=3600.0))
    for thread in threading.enumerate():
        if thread.name.startswith("ThreadPoolExecutor"):
            thread.join(60.0)
            assert not thread.is_alive()
