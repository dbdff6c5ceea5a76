"""A training state whose every number is its step, and what saves it."""

from pathlib import Path

import torch
from torch import nn

from cartoon_dist.config.reading import read
from cartoon_dist.config.train import OptimizerSettings, TrainSettings
from cartoon_dist.runs import checkpoint, retention
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.saving import Saver
from cartoon_dist.train.state import TrainState, initial_state


def synthetic(step: int, *, width: int = 8) -> TrainState:
    """Two networks, their average and the moments of their optimizers."""
    networks: dict[str, nn.Module] = {"generator": nn.Linear(width, width), "discriminator": nn.Linear(width, 1)}
    state = initial_state(networks, OptimizerSettings())
    for name, optimizer in state.optimizers.items():
        for weight in networks[name].parameters():
            weight.grad = torch.ones_like(weight)  # by hand: torch refuses a backward in a fork
        optimizer.step()  # now it has moments
    move_on(state, step)
    return state


@torch.no_grad()
def move_on(state: TrainState, step: int) -> None:
    """As training does, in place."""
    state.step = step
    for named in state.tensors().values():
        for held in named.values():
            held.fill_(step)


def numbers(folder: Path) -> set[float]:
    """All numbers in a checkpoint's networks, average and moments: its step alone, if it is of one moment."""
    held = checkpoint.load(folder)
    return {
        number
        for stem, named in held.items()
        if stem != "random"
        for t in named.values()
        for number in t.unique().tolist()
    }


def saver(
    root: Path, engine: Engine, *words: str, best: retention.BestStep = lambda _: None, warmup_steps: int = 0
) -> Saver:
    """What saves a run in this folder, with these settings."""
    settings = read(TrainSettings, [], words, run_dir=str(root))
    return Saver(
        run=RunFolder(root),
        settings=settings,
        engine=engine,
        data={"photos": "p"},
        best=best,
        warmup_steps=warmup_steps,
    )
