"""Training on shards that lie behind a URL, as a user starts it: on two processes and on one."""

import json
from pathlib import Path

import pytest

from tests.data.served import served
from tests.running import ROOT, script, train

pytestmark = pytest.mark.slow

CHEAP = ("loss.content.weight=0", "warmup.loss=pixel", "max_steps=3")


def words(photos: str | Path, cartoons: str | Path, folder: Path, *more: str) -> list[str | Path]:
    places = [f"data.photos={photos}", f"data.cartoons={cartoons}", f"data.cache={folder / 'cache'}"]
    return [ROOT / "tests/tiny.yaml", *places, f"run_dir={folder / 'run'}", *CHEAP, *more]


def test_two_processes_fetch_once_and_every_command_finds_the_copy(shards: Path, tmp_path: Path) -> None:
    scored = ["score_at_end=true", "score.features=efficientnet_lite0", f"weights_folder={ROOT / 'weights'}"]
    with served(shards) as server:
        places = (f"{server.url}/photos", f"{server.url}/cartoons/")
        done = train(words(*places, tmp_path, *scored), num_processes=2)
        assert done.returncode == 0, done.stderr
        assert server.asked.pop("manifest.json") == 2  # one a domain
        assert set(server.asked.values()) == {1}
        assert len(server.asked) == 4
    # The server is gone. The run goes on, exports, and is scored, all by the copy.
    again = train(words(*places, tmp_path, "max_steps=4"))
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("cannot be reached") == 2
    assert "goes on after step 3" in again.stderr
    exported = script("launch/export.py", tmp_path / "run", tmp_path / "out.safetensors")
    assert exported.returncode == 0, exported.stderr
    card = (tmp_path / "out.safetensors.md").read_text()
    assert "24 pictures" in card
    assert server.url not in card
    report = script("launch/report.py", tmp_path / "run")
    assert report.returncode == 0, report.stderr
    assert "to train on" in (tmp_path / "run/report.html").read_text()
    # A folder with the same samples is the same data.
    moved = train(words(shards / "photos", shards / "cartoons", tmp_path, "max_steps=5"))
    assert moved.returncode == 0, moved.stderr


def test_a_set_that_is_not_there_is_one_line_on_all_processes(shards: Path, tmp_path: Path) -> None:
    with served(shards) as server:
        server.answers["cartoon-000000.tar"] = [404]
        done = train(words(shards / "photos", f"{server.url}/cartoons", tmp_path), num_processes=2)
    errors = [line for line in done.stderr.splitlines() if line.startswith(("error:", "process "))]
    assert sorted(errors) == [
        f"error: {server.url}/cartoons/cartoon-000000.tar: 404 Not Found; give the URL of a finished shard folder",
        f"process 1: {server.url}/cartoons/cartoon-000000.tar: 404 Not Found; give the URL of a finished shard folder",
    ]
    left = json.loads((tmp_path / "run/exit.json").read_text())
    assert left["status"] == 2
    assert "404" in left["reason"]
