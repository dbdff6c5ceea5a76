"""`launch/train.py ... --check-capture`: whether the config's step can be captured, in plain words."""

from functools import partial

import torch
from torch import nn

from cartoon_dist.capture.checks import Finding, check
from cartoon_dist.commands.main import EXIT_DONE, EXIT_USER_ERROR
from cartoon_dist.config.train import CaptureSettings, TrainSettings
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError
from cartoon_dist.runs import setup
from cartoon_dist.train.deepspeed_engine import launched_stage
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.phases import Phases
from cartoon_dist.train.state import start

SIZE = 64
"""Larger pictures are checked at so many pixels: the operations are the same."""


def run(settings: TrainSettings) -> int:
    """Print what the three checks find; the exit status, 2 when a step cannot be captured.

    Needs no weights, no shards and no GPU: weights and pictures are random.
    """
    if settings.zero_stage or launched_stage():
        raise ConfigError("capture: DeepSpeed's engines cannot be captured; start without it")
    if collectives.world_size() > 1:
        raise ConfigError("--check-capture: runs in one process; start it without accelerate launch")
    size, mode = min(settings.image_size, SIZE), settings.capture.mode
    mode = "iteration" if mode == "none" else mode
    # fp16 is not computed on a CPU; its casts and its scaler are torch's own, made to be captured.
    precision = "fp32" if settings.precision == "fp16" else settings.precision
    batch_size = 2 * settings.accumulate
    print(f"capture.mode={mode}, {precision}, {batch_size} random pictures of {size} px, random weights, on the CPU")
    num_faults = 0
    for finding in check(
        partial(built, settings),
        mode=mode,
        size=size,
        batch_size=batch_size,
        clip=settings.optimizer.clip,
        precision=precision,
        scaled=settings.precision == "fp16",
    ):
        print(in_words(finding))
        num_faults += len(finding.faults)
    print(
        "cannot be captured: mend these lines, or train with capture.mode=none"
        if num_faults
        else "can be captured, as far as a CPU tells: streams, the allocator, NCCL and cuDNN show on a GPU alone"
    )
    return EXIT_USER_ERROR if num_faults else EXIT_DONE


def built(settings: TrainSettings, engine: Engine, capture: CaptureSettings) -> Phases:
    """The config's phases on an engine, with random weights, always the same."""
    features: nn.Module | None = None
    if setup.needs_features(settings):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            features = engine.place(setup.empty_features(settings))
    networks = {name: engine.place(network) for name, network in setup.fresh_networks(settings).items()}
    state = start(networks, settings.optimizer)
    engine.prepare(state)
    method = setup.bind(settings, networks, features)
    return Phases(method=method, engine=engine, state=state, capture=capture, num_parts=settings.accumulate)


def in_words(finding: Finding) -> str:
    """A line for each fault, or one for the fact that there is none."""
    head = f"{'warm-up' if finding.phase == 'warmup' else 'GAN':<8}{finding.check:<10}"
    return "\n".join(f"{head}{line}" for line in finding.faults or [finding.fact])
