"""White-box as a user trains it: on one process and two, stopped and gone on; a captured step is refused."""

from pathlib import Path

import pytest
import torch

from cartoon_dist.commands.train import main
from cartoon_dist.errors import ConfigError
from tests.running import ROOT, metrics, tiny, train, weights

pytestmark = pytest.mark.slow

BASELINE = ROOT / "configs/baseline/whitebox.yaml"
SMALL = ("batch_size=4", "epochs=3", "loss.content.network=vgg16", "loss.content.layer=conv1_2", "warmup.steps=2")
SMALL += ("model.channels=4", "model.num_blocks=1")


def words(shards: Path, run: Path, *more: str) -> list[str | Path]:
    """The smallest White-box."""
    first, *rest = tiny(shards, run)
    return [first, BASELINE, *rest, *SMALL, *more]


def test_one_process_and_two_train_alike(shards: Path, tmp_path: Path) -> None:
    runs = {}
    for num_processes in (1, 2):
        runs[num_processes] = tmp_path / f"on{num_processes}"
        exact = words(shards, runs[num_processes], "precision=fp64", "max_steps=6", "compare_every=2")
        done = train(exact, num_processes=num_processes)
        assert done.returncode == 0, done.stderr
    one, two = (weights(run, 6) for run in runs.values())
    assert "discriminator/texture.layers.1.0.u" in one
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-9, atol=1e-9, msg=name)


def test_stopped_and_gone_on_is_one_run(shards: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert main([*map(str, words(shards, whole, "max_steps=7"))]) == 0
    for last in (4, 7):
        assert main([*map(str, words(shards, parts, f"max_steps={last}"))]) == 0
    expected, found = weights(whole, 7), weights(parts, 7)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    last = metrics(whole)[-1]
    expected_weights = {"surface_g": 0.1, "texture_g": 1.0, "structure": 200.0, "content": 200.0, "variation": 1e4}
    assert {name: last[f"weight/{name}"] for name in expected_weights} == expected_weights


def test_what_cannot_be_is_refused(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, path in (("model.saliency=sal", "model.saliency"), ("capture.mode=generator", "capture.mode")):
        with pytest.raises(ConfigError, match=path):
            main([*map(str, words(shards, tmp_path / "run", more))])
    assert main([str(ROOT / "configs/hayao.yaml"), str(BASELINE), "--dry-run"]) == 0
    assert "1,467,075" in capsys.readouterr().out
