"""`launch/train.py ... --check-capture`: whether the config's step can be captured, in plain words."""

from functools import partial

import torch
from torch import nn

from cartoon_dist.capture.captured import capture_phases
from cartoon_dist.capture.checks import CheckResult, run_checks
from cartoon_dist.commands.main import EXIT_DONE, EXIT_USER_ERROR
from cartoon_dist.config.train import CaptureSettings, TrainSettings
from cartoon_dist.distributed import collectives
from cartoon_dist.errors import ConfigError
from cartoon_dist.runs import method_from_config, networks_from_config
from cartoon_dist.train.deepspeed_engine import launched_stage
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.loop import TrainingStep
from cartoon_dist.train.state import initial_state

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
    for finding in run_checks(
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


def built(settings: TrainSettings, engine: Engine, capture: CaptureSettings) -> TrainingStep:
    """The config's training step on an engine, with random weights, always the same."""
    features: nn.Module | None = None
    if method_from_config.needs_features(settings):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            features = engine.place(method_from_config.empty_features(settings))
    networks = {
        name: engine.place(network) for name, network in networks_from_config.initial_networks(settings).items()
    }
    state = initial_state(networks, settings.optimizer)
    engine.prepare(state)
    method = method_from_config.bind_method(settings, networks, features)
    wrap = capture_phases(engine, state, capture)
    return TrainingStep(method=method, engine=engine, state=state, num_parts=settings.accumulate, wrap=wrap)


def in_words(finding: CheckResult) -> str:
    """A line for each fault, or one for the fact that there is none."""
    head = f"{'warm-up' if finding.phase == 'warmup' else 'GAN':<8}{finding.check:<13}"
    return "\n".join(f"{head}{line}" for line in finding.faults or [finding.fact])
