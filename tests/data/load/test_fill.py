"""Decoding everything once: into memory that two processes share, by workers or without, with errors told to all."""

import gc
import json
import os
import shutil
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

from cartoon_dist.data.format.reader import SampleError
from cartoon_dist.data.load import fill as filling
from cartoon_dist.data.load.fill import Filled, PieceDecoder, fill
from cartoon_dist.data.load.kept import Streams, kept_bytes, kept_shapes
from cartoon_dist.data.load.loader_workers import Buffers
from cartoon_dist.data.load.node_memory import NodeMemory
from cartoon_dist.errors import ConfigError, ShardError
from tests.data.load.keeping import FITS, mapped_files, streams, workers
from tests.data.shard_folders import damage_samples
from tests.running import ROOT, helper, started

HERE = Path(__file__).parent


def filled(both: Streams, num_workers: int = 0) -> Filled:
    with workers(both[0].image_size, num_workers) as these:
        return fill(both, these)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("fit", FITS)
def test_every_sample_lies_at_its_index(shards: Path, fit: str, num_workers: int) -> None:
    both = streams(shards, fit, FITS[fit])
    found = filled(both, num_workers)
    assert found.problems == ({}, {})
    assert [side.shape for side in found.sides] == [shape for stream in both for shape in kept_shapes(stream)]
    for number, stream in enumerate(both):
        pictures, companions = found.sides[2 * number : 2 * number + 2]
        assert len(pictures) == len(companions) == len(stream.shards)
        for index in range(len(stream.shards)):
            sample = stream.shards.read(index)
            for kept, pixels in ((pictures, sample.picture), (companions, sample.companion)):
                assert np.array_equal(kept[index], stream.fit_whole(pixels).reshape(kept.shape[1:]))


def test_memory_is_given_back_with_the_arrays(shards: Path) -> None:
    both = streams(shards)
    gc.collect()  # what another test has left in a cycle
    assert list(mapped_files()) == []
    found = filled(both, 1)
    assert len(list(mapped_files())) == 1
    del found
    assert list(mapped_files()) == []


class Nothing:
    """Answers, so that all that was sent to its worker before has arrived."""

    def read(self, step: int, buffers: Buffers) -> None:
        """Nothing."""


def test_workers_let_go_of_the_memory_when_all_is_decoded(shards: Path) -> None:
    gc.collect()
    both = streams(shards)
    with workers(32, 1) as these:
        found = fill(both, these)
        list(these.read_ahead(Nothing(), first=0, end=1))
        [worker] = these._processes
        assert list(mapped_files(worker.pid)) == []
        assert len(list(mapped_files())) == 1
        assert found.sides[0].any()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_damaged_samples_are_named_as_their_reading_names_them(shards: Path, tmp_path: Path, num_workers: int) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    damage_samples(copied / "photos", "photo", [2, 17])
    damage_samples(copied / "cartoons", "cartoon", [4], member=1)
    both = streams(copied)
    problems = filled(both, num_workers).problems
    assert [sorted(each) for each in problems] == [[2, 17], [4]]
    for stream, told in zip(both, problems, strict=True):
        for index, problem in told.items():
            with pytest.raises(SampleError) as caught:
                stream.shards.read(index)
            assert str(caught.value) == problem


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_shard_that_is_gone_ends_it(shards: Path, tmp_path: Path, num_workers: int) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    both = streams(copied)
    (copied / "cartoons/cartoon-000000.tar").unlink()
    with pytest.raises(ShardError, match=r"cartoon-000000\.tar: No such file"):
        filled(both, num_workers)


class Killed(PieceDecoder):
    """Its worker is killed at its second piece."""

    def read(self, step: int, buffers: Buffers) -> list[object] | ShardError:  # type: ignore[override]
        if step == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(step, buffers)  # type: ignore[return-value]


def test_a_killed_worker_is_told_with_a_way_out(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "PieceDecoder", Killed)
    with pytest.raises(
        ShardError, match=r"cannot keep its samples: a loader worker was killed by signal 9; .*keep=none"
    ):
        filled(streams(shards), 1)


class Hanging(PieceDecoder):
    """Its storage does not answer."""

    def read(self, step: int, buffers: Buffers) -> list[object] | ShardError:  # type: ignore[override]
        os.read(HUNG, 1)
        return super().read(step, buffers)  # type: ignore[return-value]


HUNG, _NEVER_WRITTEN = os.pipe()


def test_waiting_has_a_limit_and_names_who_is_missing(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "PieceDecoder", Hanging)
    monkeypatch.setattr(filling, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(filling, "STALL_SECONDS", 0.2)
    who = rf"data\.keep: decode: process 0 on {socket.gethostname()} has decoded nothing for 0\.2 s"
    with pytest.raises(ShardError, match=who):
        filled(streams(shards))


def test_memory_that_cannot_be_shared_is_refused(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_num_bytes: int) -> NodeMemory:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(NodeMemory, "make", refuse)
    words = r"memory of a node cannot be shared \(process 0: Operation not permitted\); use data.keep=none"
    with pytest.raises(ConfigError, match=words):
        filled(streams(shards))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_two_processes_share_one_copy_and_each_decodes_a_part(shards: Path, tmp_path: Path, num_workers: int) -> None:
    done = helper(HERE / "filling_together.py", shards, tmp_path, str(num_workers), num_processes=2)
    assert done.returncode == 0, done.stderr
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert told[0]["file"] == told[1]["file"]  # one file in memory, the same for both
    assert [each["differing"] for each in told] == [[], []]
    num_samples = [len(stream.shards) for stream in streams(shards)]
    assert sum(told[0]["decoded"]) == sum(num_samples)
    assert min(told[0]["decoded"]) > 0
    assert told[0]["decoded"] == told[1]["decoded"]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_shard_that_is_gone_for_one_ends_both(shards: Path, tmp_path: Path, num_workers: int) -> None:
    copied = Path(shutil.copytree(shards, tmp_path / "shards"))
    done = helper(HERE / "filling_together.py", copied, tmp_path, str(num_workers), "lost", num_processes=2)
    assert done.returncode == 0, done.stderr
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert "cartoon-000000.tar: No such file" in told[0]["error"]
    assert told[0]["error"] == told[1]["error"]


def test_a_killed_process_leaves_nothing_behind(shards: Path, tmp_path: Path) -> None:
    places = (Path("/dev/shm"), tmp_path / "tmp")
    places[1].mkdir()
    size = kept_bytes(streams(shards))

    def left() -> set[Path]:
        """Files as large as what is kept; other tests put small ones there."""
        return {path for place in places for path in place.iterdir() if path.is_file() and path.stat().st_size >= size}

    before = left()
    with started(HERE / "filling_to_kill.py", shards, TMPDIR=str(places[1]), PYTHONPATH=str(ROOT)) as running:
        assert running.stdout.readline() == "kept\n"
        assert left() == before
        running.kill()
        running.wait()
    assert left() == before
