"""Training from kept samples: the batches of a run, and a step, plain or recorded, that gathers its own batch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils import backend_registration

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.load.kept import Streams
from cartoon_dist.data.load.loader import LocalBatch, LocalBatches, local_batch_shapes
from cartoon_dist.data.load.loader_workers import LoaderWorkers
from cartoon_dist.data.load.node_memory import system
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError
from cartoon_dist.tensors import Batch
from cartoon_dist.train import keeping
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.keep_choice import Place, Room
from cartoon_dist.train.keeping import Kept, keep_at, keep_samples
from tests.capture.capturing import PLAIN, capture, differing, recorded_faster, settings, training_step
from tests.data.load.keeping import mapped_files, streams
from tests.running import ROOT, helper
from tests.train.kept_steps import recording, trained

NUM_STEPS, NUM_WARMUP = 8, 4
"""Of each phase two plain steps, the recording, and at least one replay."""
SMALL = settings("ressal_cbam", "image_size=16")


@pytest.fixture
def both(shards: Path) -> Streams:
    return streams(shards, "crop", 16)


@pytest.fixture
def workers() -> Iterator[LoaderWorkers]:
    with LoaderWorkers(0, local_batch_shapes(image_size=16, num=4)) as none:
        yield none


def steps_of(both: Streams) -> LocalBatches:
    return LocalBatches(photos=both[0], cartoons=both[1], batch_size=4, warmup_steps=NUM_WARMUP, rank=0, world_size=1)


def read_all(kept: Kept) -> list[Batch]:
    found = list(kept.local_batches(steps_of(kept.streams), 0, NUM_STEPS))
    assert all(isinstance(each, LocalBatch) for each in found)
    return [each.batch for each in found if isinstance(each, LocalBatch)]


@pytest.mark.slow
def test_a_step_that_gathers_its_batch_trains_as_from_decoded_ones(
    both: Streams, workers: LoaderWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(training_step(SMALL, PLAIN), read_all(Kept("none", both)), NUM_WARMUP)
    with keep_at("device", torch.device("cpu"), both, workers) as kept:
        picks = read_all(kept)
        assert {side.shape[1:] for batch in picks for side in batch} == {(4,)}
        for how in (PLAIN, capture("generator"), capture("iteration")):
            with monkeypatch.context() as patched, recorded_faster():
                patched.setattr("cartoon_dist.commands.check_capture.capture_phases", recording(kept))
                made = trained(training_step(SMALL, how), picks, NUM_WARMUP)
            assert differing(expected, made) == []
            if how is not PLAIN:
                assert [wrapped.refused for wrapped in made.wrapped.values()] == ["", ""]  # type: ignore[attr-defined]


@pytest.mark.parametrize("place", ["host", "device"])
def test_the_kept_samples_go_with_the_block(both: Streams, workers: LoaderWorkers, place: Place) -> None:
    before = set(mapped_files())  # what another test has left in a cycle
    with keep_at(place, torch.device("cpu"), both, workers) as kept:
        read_all(kept)
        assert len(set(mapped_files()) - before) == 1
    assert set(mapped_files()) <= before


def chosen(both: Streams, workers: LoaderWorkers, *words: str) -> Kept:
    some = read(TrainSettings, [], ["image_size=16", *words], run_dir="none")
    return keep_samples(some, Engine(precision="fp32", device="cpu"), both, workers)


def test_none_says_nothing_and_the_others_say_what_they_take(
    both: Streams, workers: LoaderWorkers, capsys: pytest.CaptureFixture[str]
) -> None:
    with chosen(both, workers) as kept:
        assert kept.place == "none"
    assert capsys.readouterr().err == ""
    for keep in ("host", "auto"):
        with chosen(both, workers, f"data.keep={keep}") as kept:
            assert kept.place == "host"
        [line] = [said for said in capsys.readouterr().err.splitlines() if "one copy a node" in said]
        assert line.startswith(f"data.keep={keep}: host, one copy a node: 0.00 GiB (")


def test_a_set_too_large_falls_back_with_auto_and_is_refused_otherwise(
    both: Streams, workers: LoaderWorkers, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "free_bytes", lambda: 100_000)
    with chosen(both, workers, "data.keep=auto") as kept:
        assert kept.place == "none"
        assert kept.wrap(None) is None
    assert "data.keep=auto: nothing is kept: " in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"data\.keep=host: .* do not fit into the 0\.00 GiB of host memory"):
        chosen(both, workers, "data.keep=host")
    with pytest.raises(ConfigError, match=r"data\.keep=device: this run computes on a CPU"):
        chosen(both, workers, "data.keep=device")


def test_processes_that_cannot_share_divide_what_is_free(both: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    here = system()
    others = [(here, "one"), (here, "two"), (here, "two"), ("another system", "three")]
    monkeypatch.setattr(keeping, "free_bytes", lambda: 1000)
    monkeypatch.setattr(collectives, "all_gather", lambda _: others)
    found = keeping.find_room(SMALL, Engine(precision="fp32", device="cpu"), both)
    assert isinstance(found, Room)
    assert found.host == 500


@pytest.mark.slow
def test_the_gather_waits_for_no_device_and_copies_nothing_there(shards: Path) -> None:
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch has no fake device: 2.10 was the first")
    done = helper(ROOT / "tests/train/gather_on_fake_device.py", shards)
    assert (done.returncode, done.stdout) == (0, "[]"), done.stderr
