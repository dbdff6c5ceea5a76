"""What training prints when it begins and when it ends."""

from pathlib import Path

from cartoon_dist.config.checks import settings_without_effect
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.console.escape import shell_quoted
from cartoon_dist.console.messages import print_message, print_result
from cartoon_dist.distributed import collectives
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.engine import Engine
from cartoon_dist.train.schedule import Schedule
from cartoon_dist.train.state import TrainState


def announce_start(settings: TrainSettings, engine: Engine, schedule: Schedule, state: TrainState) -> None:
    """Say on standard error what is trained and where, warn of settings that do not help, and say what is left to
    do."""
    share = settings.batch_size // collectives.world_size()
    print_message(
        f"{settings.run_dir}: {engine.describe()}, {settings.precision}, "
        f"batch {settings.batch_size} ({share} a process); "
        f"{schedule.num_photos} photos, {schedule.num_cartoons} cartoons; {schedule.total_steps} steps, "
        f"{min(schedule.warmup_steps, schedule.total_steps)} of them warm-up"
    )
    page = RunFolder(Path(settings.run_dir)).report
    print_message(f"{page} shows how it goes; or type: tensorboard --logdir {shell_quoted(settings.run_dir)}")
    if settings.precision == "bf16" and engine.device.type == "cpu":
        print_message("warning: precision=bf16 on a CPU without native bf16 is many times slower than fp32")
    if settings.capture.mode != "none" and engine.device.type == "cpu":
        print_message(
            "warning: capture.mode on a CPU replays steps to prove that they can be captured; it saves no time"
        )
    for line in settings_without_effect(settings):
        print_message(f"warning: {line}")
    if state.step >= schedule.total_steps:
        print_message(f"{settings.run_dir}: nothing is left to do after step {state.step}: {schedule.to_prolong()}")
    elif state.step:
        print_message(f"{settings.run_dir}: goes on after step {state.step}")


def announce_end(folder: RunFolder, schedule: Schedule, state: TrainState, reason: str) -> None:
    """Say how far the run has come; the last line on standard output names its checkpoint."""
    if not collectives.is_main_process():
        return
    if reason:
        print_message(f"{folder.root}: stopped after step {state.step} ({reason}); run the same command again to go on")
    print_result(f"{folder.checkpoint(state.step)}: step {state.step} of {schedule.total_steps}")
