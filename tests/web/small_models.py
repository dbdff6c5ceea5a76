"""Generators small enough to draw in a fraction of a second, whose drawings are far from grey, as files."""

from pathlib import Path

import torch

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.models.generator import CartoonGenerator
from cartoon_dist.runs import networks_from_config
from cartoon_dist.runs.export_file import ExportMetadata, to_safetensors


def write_model(path: Path, *, seed: int = 0) -> Path:
    """Write a `.safetensors` export of four channels and one block."""
    settings = read(TrainSettings, [], ["model.channels=4", "model.num_blocks=1", f"seed={seed}"], run_dir="runs/a")
    generator = networks_from_config.initial_networks(settings)["generator"]
    assert isinstance(generator, CartoonGenerator)
    shaken = torch.Generator().manual_seed(seed)
    for parameter in generator.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=shaken) * 0.1)
    facts = ExportMetadata(settings=settings, weights="ema", step=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_safetensors(dict(generator.state_dict()), facts))
    return path
