"""Training with a captured step, as a user starts it: the same run, also when it is taken up with another kind."""

from pathlib import Path

import pytest
import torch

from cartoon_dist.commands.train import main
from cartoon_dist.errors import ConfigError
from tests.running import metrics, tiny, train, weights

STEPS = ("warmup.steps=5", "checkpoint.every=8", "epochs=3")


@pytest.mark.slow
def test_captured_and_plain_steps_are_one_run(shards: Path, tmp_path: Path) -> None:
    """Two processes: plain to the end; captured, stopped at step 8, gone on with captured otherwise, then plain."""
    plain, mixed = tmp_path / "plain", tmp_path / "mixed"
    whole = train(tiny(shards, plain, *STEPS, "max_steps=16"), num_processes=2)
    assert whole.returncode == 0, whole.stderr
    for words in (
        ("max_steps=8", "capture.mode=iteration", "capture.require=true"),
        ("max_steps=14", "capture.mode=generator", "capture.require=true"),
        ("max_steps=16",),
    ):
        part = train(tiny(shards, mixed, *STEPS, *words), num_processes=2)
        assert part.returncode == 0, part.stderr
        assert ("saves no time" in part.stderr) is (len(words) > 1)
        assert "cannot be captured" not in part.stderr
    expected, found = weights(plain, 16), weights(mixed, 16)
    assert expected.keys() == found.keys()
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    told = [[{k: v for k, v in one.items() if "/" in k} for one in metrics(run)] for run in (plain, mixed)]
    assert told[0] == told[1]


def test_deepspeed_and_capture_are_refused_together(shards: Path, tmp_path: Path) -> None:
    words = [str(word) for word in tiny(shards, tmp_path / "run", "zero_stage=1", "capture.mode=generator")]
    for more in ([], ["--check-capture"]):
        with pytest.raises(ConfigError, match=r"capture.*DeepSpeed's engines cannot be captured"):
            main([*words, *more])
