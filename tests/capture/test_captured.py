"""A step that is recorded and replayed, beside the plain one: to the bit, or refused with its reason."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cartoon_dist.capture.replay import ReplayRecorder
from cartoon_dist.cpu import switch
from cartoon_dist.errors import TrainingError
from cartoon_dist.tensors import Batch
from cartoon_dist.train.phase import EagerUpdate, StepOutput
from tests.capture.capturing import (
    PLAIN,
    ROWS,
    batch,
    capture,
    differing,
    recorded_faster,
    run_step,
    settings,
    train,
    training_step,
)
from tests.capture.faults import (
    branches,
    depends_on_a_size,
    freezes_a_number,
    reads_back,
    reads_its_step_count,
    replaces_a_tensor,
)
from tests.running import ROOT, helper

pytestmark = pytest.mark.slow

NUM_STEPS = 8
"""Two plain ones, the recording, and five that replay it."""


@pytest.fixture(autouse=True)
def _recorded_faster() -> Iterator[None]:
    with recorded_faster():
        yield


@pytest.mark.parametrize("num_parts", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("row", ROWS)
def test_a_replayed_step_is_the_plain_one_to_the_bit(row: str, precision: str, num_parts: int) -> None:
    small = settings(row, f"precision={precision}", f"accumulate={num_parts}")
    plain, recorded = (
        training_step(small, PLAIN),
        training_step(small, capture("iteration" if num_parts == 1 else "generator")),
    )
    assert train(recorded, NUM_STEPS) == train(plain, NUM_STEPS)
    assert differing(plain, recorded) == []


@pytest.mark.parametrize("mode", ["generator", "iteration"])
def test_a_phase_that_begins_is_recorded_anew(mode: str) -> None:
    small = settings("ressal_cbam")
    plain, recorded = training_step(small, PLAIN), training_step(small, capture(mode))
    assert train(recorded, 11, num_warmup=5) == train(plain, 11, num_warmup=5)
    assert differing(plain, recorded) == []


def test_two_processes_replay_what_they_do_plain(tmp_path: Path) -> None:
    """Also: DDP's average and ours are the same, and one that cannot record makes both run plain."""
    done = helper(ROOT / "tests/capture/capturing_together.py", tmp_path, num_processes=2)
    assert done.returncode == 0, done.stderr
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert one == other
    assert len(one["replayed"]) == 2 * len(ROWS)
    assert not any(one["replayed"].values())
    assert one["ddp"] < 1e-9
    assert one["buffers_sent"] == []
    assert one["fallen_back"].startswith("process 1: ")
    assert one["fallen_back"].endswith("RuntimeError: planted")
    assert one["after_falling_back"] == []


def test_our_own_convolutions_are_replayed_too() -> None:
    """At this size VGG takes Winograd's, the networks' last layers the narrow ones."""
    small = settings("cartoongan", "loss.content.layer=conv2_2")
    plain, recorded = training_step(small, PLAIN), training_step(small, capture("iteration"))
    for made in (plain, recorded):
        for number in range(5):
            run_step(made, number, given=batch(number, size=64, count=2))
    assert differing(plain, recorded) == []
    with switch.disabled():
        other = training_step(small, PLAIN)
        for number in range(5):
            run_step(other, number, given=batch(number, size=64, count=2))
    assert differing(plain, other)


def test_recording_trains_nothing() -> None:
    made = training_step(settings("ressal_cbam"), capture("iteration"))
    for number in range(3):
        run_step(made, number)
    before = {f"{k}.{n}": t.clone() for k, named in made.state.tensors().items() for n, t in named.items()}
    where = {name: t.data_ptr() for k, named in made.state.tensors().items() for name, t in named.items()}
    held = batch(5)

    def again(apart: EagerUpdate) -> StepOutput:
        return made.gan(held, apart)

    for whole in (True, False):
        ReplayRecorder(made.state, made.engine.abandon).record(again, whole=whole)
    after = {f"{k}.{n}": t for k, named in made.state.tensors().items() for n, t in named.items()}
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert where == {name: t.data_ptr() for k, named in made.state.tensors().items() for name, t in named.items()}
    assert all(weight.grad is None for network in made.state.networks.values() for weight in network.parameters())


def test_the_generator_draws_once_in_a_recorded_step() -> None:
    made = training_step(settings("ressal_cbam"), capture("generator"))
    for number in range(3):
        run_step(made, number)
    drawn, judged = [], []
    made.state.networks["generator"].register_forward_hook(lambda *_: drawn.append(1))
    made.state.networks["discriminator"].register_forward_hook(lambda *_: judged.append(1))
    run_step(made, 3)
    assert not drawn  # G and its loss are replayed: no line of its own runs
    assert judged == [1]  # D's own update runs plain, between


def test_figures_of_a_step_outlive_the_next() -> None:
    made = training_step(settings("ressal_cbam"), capture("iteration"))
    told = [run_step(made, number).figures for number in range(6)]
    values = [{name: value.item() for name, value in figures.items()} for figures in told]
    run_step(made, 9)
    assert values == [{name: value.item() for name, value in figures.items()} for figures in told]
    assert len({figures["loss/content"] for figures in values}) == 6


def test_it_is_recorded_anew_after_a_checkpoint_was_loaded() -> None:
    small = settings("ressal_cbam")
    plain, recorded = training_step(small, PLAIN), training_step(small, capture("iteration"))
    for made in (plain, recorded):
        for number in range(5):
            run_step(made, number)
    saved = {kind: {n: t.clone() for n, t in named.items()} for kind, named in plain.state.tensors().items()}
    for made in (plain, recorded):
        for number in range(5, 7):
            run_step(made, number)
        made.state.load(5, {kind: {n: t.clone() for n, t in named.items()} for kind, named in saved.items()})
        for number in range(5, 11):
            run_step(made, number)
    assert recorded.wrapped["gan"].replay is not None
    assert differing(plain, recorded) == []


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        (batch(1, count=2), "photo", r"uint8 \(2, 3, 16, 16\)"),
        (batch(1, size=20), "photo", r"uint8 \(4, 3, 20, 20\)"),
        (Batch(*(side.float() for side in batch(1))), "photo", "float32"),
        (
            Batch(*(side.to(memory_format=torch.channels_last) for side in batch(1))),
            "photo",
            r"strides \(768, 1, 48, 3\)",
        ),
    ],
)
def test_a_batch_of_another_kind_is_refused_by_name(given: Batch, name: str, words: str) -> None:
    made = training_step(settings("ressal_cbam"), capture("iteration"))
    for number in range(4):
        run_step(made, number)
    with pytest.raises(TrainingError, match=rf"capture: batch\.{name} is .*{words}.*recorded step"):
        run_step(made, 4, given=given)


READ_BACK = {
    reads_back: "reads a number back",
    branches: "reads a number back",
    reads_its_step_count: "reads a number back",
    depends_on_a_size: "size depends on values",
}
FROZEN = (freezes_a_number, replaces_a_tensor)


@pytest.mark.parametrize("plant", READ_BACK, ids=lambda plant: plant.__name__)
def test_a_step_that_waits_for_the_device_falls_back_or_is_refused(
    plant: object, capsys: pytest.CaptureFixture[str]
) -> None:
    small, words = settings("ressal_cbam"), READ_BACK[plant]  # type: ignore[index]
    plain, fallen = training_step(small, PLAIN, plant), training_step(small, capture("iteration", require=False), plant)  # type: ignore[arg-type]
    for made in (plain, fallen):
        for number in range(5):
            run_step(made, number)
    assert differing(plain, fallen) == []
    said = capsys.readouterr().err
    assert said.count("cannot be captured and runs plain") == 1
    assert words in said
    where = "cartoon_dist/train/engine.py:" if plant is reads_its_step_count else "faults.py:"
    assert where in said
    strict = training_step(small, capture("generator"), plant)  # type: ignore[arg-type]
    if plant in (branches, depends_on_a_size):
        strict = training_step(small, capture("iteration"), plant)  # type: ignore[arg-type]
    run_step(strict, 0)
    run_step(strict, 1)
    with pytest.raises(TrainingError, match=f"capture.require: the gan step cannot be captured: .*{words}"):
        run_step(strict, 2)


@pytest.mark.parametrize("plant", FROZEN, ids=lambda plant: plant.__name__)
def test_what_a_recording_froze_shows_in_the_weights(plant: object) -> None:
    small = settings("ressal_cbam")
    plain, recorded = training_step(small, PLAIN, plant), training_step(small, capture("iteration"), plant)  # type: ignore[arg-type]
    apart = []
    for number in range(5):
        for made in (plain, recorded):
            run_step(made, number)
        apart.append(bool(differing(plain, recorded)))
    # Two plain steps; the first replay still has the numbers it was recorded with.
    assert apart == [False, False, False, True, True]
