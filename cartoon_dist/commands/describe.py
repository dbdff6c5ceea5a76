"""What `--dry-run` of training prints: settings, networks, steps and memory; it needs neither shards nor weights."""

from pathlib import Path

import yaml

from cartoon_dist import nested
from cartoon_dist.config import TrainSettings
from cartoon_dist.data.manifest import read_manifest
from cartoon_dist.errors import ShardError
from cartoon_dist.runs.estimate import memory_bytes, parameter_counts
from cartoon_dist.train.schedule import Schedule

_PAPER_PHOTOS, _PAPER_CARTOONS = 6659, 2000
_GIB = 2**30


def describe(settings: TrainSettings, *, num_processes: int) -> str:
    """The run that these settings would make on so many processes, in words; the last line names its folder."""
    head = yaml.safe_dump(nested.plain(settings), sort_keys=False, allow_unicode=True)
    memory = _memory(settings, num_processes)
    return "\n".join([head, *_networks(settings), "", *_steps(settings), "", *memory, "", _folder(settings)])


def _networks(settings: TrainSettings) -> list[str]:
    counts = parameter_counts(settings)
    lines = [f"  {name:<14}{count:>12,}" for name, count in counts.items() if count]
    return ["parameters", *lines, f"  {'together':<14}{sum(counts.values()):>12,}"]


def _steps(settings: TrainSettings) -> list[str]:
    photos, num_photos = _count(settings.data.photos, _PAPER_PHOTOS)
    cartoons, num_cartoons = _count(settings.data.cartoons, _PAPER_CARTOONS)
    schedule = Schedule(settings=settings, num_photos=num_photos, num_cartoons=num_cartoons)
    warmup, total = min(schedule.warmup_steps, schedule.total_steps), schedule.total_steps
    return [
        f"steps of {settings.batch_size} photos, {settings.batch_size} cartoons",
        f"  photos        {num_photos:>12,}  {photos}",
        f"  cartoons      {num_cartoons:>12,}  {cartoons}",
        f"  warm-up       {warmup:>12,}",
        f"  GAN           {total - warmup:>12,}  {settings.epochs:g} epochs unless max_steps ends them",
        f"  images        {total * settings.batch_size:>12,}",
    ]


def _count(folder: str, otherwise: int) -> tuple[str, int]:
    """How many training samples a folder holds; where it is not there, as many as the paper had."""
    try:
        return f"training samples in {folder}", sum(shard.num_train for shard in read_manifest(Path(folder)).shards)
    except ShardError:
        return f"the paper's number, as {folder} is not there yet", otherwise


def _memory(settings: TrainSettings, num: int) -> list[str]:
    held = memory_bytes(settings, world_size=num)
    lines = [f"  {name:<14}{count / _GIB:>12.2f}" for name, count in held.items()]
    total = f"  {'together':<14}{sum(held.values()) / _GIB:>12.2f}"
    return [f"memory of each of {num} process{'es' if num > 1 else ''}, GiB, estimated", *lines, total]


def _folder(settings: TrainSettings) -> str:
    state = "goes on" if Path(settings.run_dir).exists() else "new"
    return f"run folder: {settings.run_dir} ({state}); nothing was written"
