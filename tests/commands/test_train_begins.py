"""How a run begins, with another's weights, and how one that is finished is prolonged."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from cartoon_dist.commands import export
from cartoon_dist.commands.train import main
from cartoon_dist.errors import CheckpointError, ConfigError
from cartoon_dist.runs import trained
from cartoon_dist.runs.layout import RunFolder
from tests.running import cheap, train, weights


@pytest.fixture(scope="module")
def first(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps, whose weights others begin with."""
    run = tmp_path_factory.mktemp("first") / "run"
    assert main(cheap(shards, run, "max_steps=3")) == 0
    return run


def assert_same(one: Path, other: Path, step: int) -> None:
    held, others = weights(one, step), weights(other, step)
    assert held.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in held.items())


@pytest.mark.slow
def test_a_finished_run_is_prolonged_by_epochs_and_says_so(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    assert main(cheap(shards, run, "epochs=1")) == 0
    assert main(cheap(shards, run, "epochs=1", "max_steps=9")) == 0
    said = capsys.readouterr().err
    assert f"{run}: nothing is left to do after step 7: epochs=1 makes 7 steps" in said
    assert "max_steps=9 can only end it before: raise epochs to go on" in said
    assert main(cheap(shards, run, "epochs=2", "max_steps=9")) == 0
    # The learning rates fall at the first epoch's end: a position, whatever the run's end was.
    assert main(cheap(shards, whole, "epochs=2", "max_steps=9")) == 0
    assert_same(run, whole, 9)


def test_what_a_prolonged_run_may_not_change_can_begin_another(shards: Path, first: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"warmup\.steps: 2 -> 3\).*begin with its weights \(init_from={first}"):
        main(cheap(shards, first, "warmup.steps=3", "max_steps=4"))


def test_a_run_begins_with_anothers_weights_once(
    shards: Path, first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    origin, run = Path(shutil.copytree(first, tmp_path / "first")), tmp_path / "run"
    given = cheap(shards, run, f"init_from={origin}", "warmup.steps=0", "max_steps=1", "optimizer.generator=1e-12")
    assert main([*given, "--dry-run"]) == 0
    assert f"(new, begins with the weights of {origin})" in capsys.readouterr().out
    assert main(given) == 0
    assert (
        f"{run}: begins with the weights of {origin}/step-0000003 (step 3): generator, discriminator, running average; "
        "anew begin the optimizers, the random state and the schedule, from step 0\n"
    ) in capsys.readouterr().err
    before, after = weights(origin, 3), weights(run, 1)
    steady = [name for name in before if name.startswith("generator/")]
    assert all(torch.allclose(before[name], after[name], rtol=0, atol=1e-6) for name in steady)
    assert {float(held) for name, held in after.items() if name.endswith(":step")} == {1}
    begun = trained.load_initial(run, weights="raw").generator.state_dict()
    assert all(torch.equal(tensor, before[f"generator/{name}"]) for name, tensor in begun.items())
    # From now on the run has a checkpoint of its own, and needs the other one no more.
    shutil.rmtree(origin)
    assert main([*given, "max_steps=2"]) == 0
    assert main([*given, "max_steps=3", f"init_from={first}"]) == 0
    assert f"warning: init_from={first} is not read: {run} has a checkpoint of its own" in capsys.readouterr().err
    assert trained.read_run_config(RunFolder(run).config).init_from == str(origin)
    assert trained.load(run, weights="ema").settings.init_from == str(origin)
    with pytest.raises(CheckpointError, match="there is no such run"):
        trained.load_initial(run, weights="raw")


def test_an_export_gives_its_generator_and_names_no_folder(
    shards: Path, first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, run = tmp_path / "g.safetensors", tmp_path / "run"
    assert export.main([str(first), str(out)]) == 0
    assert main(cheap(shards, run, f"init_from={out}", "max_steps=1", "warmup.learning_rate=1e-12")) == 0
    said = capsys.readouterr().err
    assert "(step 3): generator, running average; the discriminator begins from the seed" in said
    before, after = weights(first, 3), weights(run, 1)
    average = [name.removeprefix("ema/") for name in before if name.startswith("ema/")]
    for stem in ("ema", "generator"):
        assert all(torch.allclose(before[f"ema/{name}"], after[f"{stem}/{name}"], atol=1e-6) for name in average)
    assert export.main([str(run), str(tmp_path / "again.safetensors")]) == 0
    for made in (tmp_path / "again.safetensors", tmp_path / "again.safetensors.md"):
        assert str(tmp_path).encode() not in made.read_bytes()
    assert "| began with | the weights of `g.safetensors` |" in (tmp_path / "again.safetensors.md").read_text()


@pytest.mark.parametrize(
    ("place", "more", "said"),
    [
        ("run", "model.channels=6", r"step-0000003: generator: does not fit the config: \S+ has the shape \[.*instead"),
        ("run", "model.attention=none", r"generator: does not fit the config: its tensor \S+ is of no use"),
        ("run", "model.num_blocks=2", r"generator: does not fit the config: it has no tensor \S+"),
        ("damaged", "seed=0", r"damaged: generator\.safetensors is not what the manifest says; use another"),
        ("empty", "seed=0", "empty: holds no whole checkpoint"),
        ("none", "seed=0", "none: there is no such run"),
        ("g.pth", "seed=0", "hold nothing that can be trained on"),
        ("g.safetensors", "seed=0", "is no safetensors file"),
    ],
)
def test_what_a_run_cannot_begin_with(
    shards: Path, first: Path, tmp_path: Path, place: str, more: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("g.pth", "g.safetensors"):
        (tmp_path / name).write_bytes(b"\x80\x04K\x01.")
    shutil.copytree(first / "step-0000003", tmp_path / "damaged")
    (tmp_path / "damaged/generator.safetensors").write_bytes(b"")
    origin, run = first if place == "run" else tmp_path / place, tmp_path / "new"
    with pytest.raises(CheckpointError, match=f"^init_from: .*{said}") as caught:
        main(cheap(shards, run, f"init_from={origin}", more))
    assert "\n" not in str(caught.value)
    assert not (run / "config.yaml").exists()


@pytest.mark.slow
def test_a_recorded_step_begins_with_them_too(shards: Path, first: Path, tmp_path: Path) -> None:
    given = (f"init_from={first}", "warmup.steps=0", "max_steps=5", "seed=2")
    plain, recorded = tmp_path / "plain", tmp_path / "recorded"
    assert main(cheap(shards, plain, *given)) == 0
    assert main(cheap(shards, recorded, *given, "capture.mode=iteration")) == 0
    assert_same(plain, recorded, 5)


@pytest.mark.slow
def test_two_processes_begin_as_one_does(shards: Path, first: Path, tmp_path: Path) -> None:
    given = (f"init_from={first}", "precision=fp64", "warmup.steps=0", "max_steps=2", "optimizer.generator=5e-5")
    runs = [tmp_path / "on1", tmp_path / "on2"]
    for num_processes, run in enumerate(runs, 1):
        done = train(cheap(shards, run, *given), num_processes=num_processes)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("begins with the weights of") == 1
    one, two = (weights(run, 2) for run in runs)
    assert all(torch.allclose(tensor, two[name], rtol=0, atol=1e-9) for name, tensor in one.items())


def test_a_score_at_the_end_is_refused_at_the_start_where_its_extra_is_missing(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    said = r"^torch_fidelity is not installed; type: pip install 'cartoon-dist\[score\]'$"
    with pytest.raises(ConfigError, match=said):
        main(cheap(shards, tmp_path / "run", "score_at_end=true"))
    assert not (tmp_path / "run").exists()
