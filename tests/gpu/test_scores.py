"""Features, distances and drawings' scores on a GPU beside the CPU's: TF32 is off while they are made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cartoon_dist.gpu.tf32 import without_tf32
from cartoon_dist.metrics.efficientnet import EfficientNetLite0
from cartoon_dist.metrics.frechet_kid import distances
from cartoon_dist.metrics.score_file import read_scores
from tests.running import ROOT, script, tiny, train

pytestmark = pytest.mark.gpu
CPU = torch.device("cpu")


def pictures(seed: int, num: int) -> torch.Tensor:
    """Coarse coloured noise, n 3 64 64."""
    noise = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (num, 3, 8, 8), generator=noise, dtype=torch.uint8)
    return coarse.repeat_interleave(8, 2).repeat_interleave(8, 3)


def network() -> EfficientNetLite0:
    """The small feature network with random weights, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return EfficientNetLite0()


@torch.no_grad()
def vectors(where: torch.device) -> list[torch.Tensor]:
    """The features of two sets of pictures, computed there."""
    seen_by = network().to(where)
    with without_tf32():
        return [seen_by.features(pictures(seed, 12).to(where)).cpu() for seed in (1, 2)]


def test_features_and_their_distance_agree(
    device: torch.device, record_property: Callable[[str, object], None]
) -> None:
    torch.backends.cudnn.allow_tf32 = True  # as torch begins: what scores must not be made with
    here, there = vectors(CPU), vectors(device)
    scale = max(side.abs().max().item() for side in here)
    difference = max((a - b).abs().max().item() for a, b in zip(here, there, strict=True)) / scale
    record_property("features_relative", difference)
    assert difference < 1e-4
    on_cpu, on_gpu = (distances("efficientnet_lite0", *side)["frechet_efficientnet_lite0"][0] for side in (here, there))
    record_property("distance_relative", abs(on_cpu - on_gpu) / on_cpu)
    assert on_cpu == pytest.approx(on_gpu, rel=1e-3)


@pytest.mark.slow
def test_the_command_scores_alike(
    shards: Path, tmp_path: Path, device: torch.device, record_property: Callable[[str, object], None]
) -> None:
    done = train(tiny(shards, tmp_path / "run", "max_steps=2", f"device={device.type}"))
    assert done.returncode == 0, done.stderr
    values = {}
    for name in ("cpu", device.type):
        words = [f"device={name}", "score.features=efficientnet_lite0", "score.content=false", "score.subsamples=0"]
        words += [f"weights_folder={ROOT / 'weights'}", f"data.cache={tmp_path / name}"]
        done = script("launch/fid.py", tmp_path / "run", *words)
        assert done.returncode == 0, done.stderr
        [found] = [
            one for one in read_scores(tmp_path / "run/scores.json") if one["metric"] == "frechet_efficientnet_lite0"
        ]
        assert found["protocol"]["tf32"] == "off"
        values[name] = found["value"]
    relative = float(np.ptp(list(values.values())) / values["cpu"])
    record_property("score_relative", relative)
    assert relative < 1e-2
