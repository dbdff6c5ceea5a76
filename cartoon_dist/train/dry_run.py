"""What `--dry-run` of training prints: settings, networks, steps and memory; it needs neither shards nor weights."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from cartoon_dist.config import overrides
from cartoon_dist.config.train import TrainSettings
from cartoon_dist.data.format.manifest import Manifest, read_manifest
from cartoon_dist.data.remote.fetch import RetryPolicy, find_remote, is_remote
from cartoon_dist.errors import ShardError
from cartoon_dist.runs import checkpoint
from cartoon_dist.runs.estimate import checkpoint_bytes, largest_batch, memory_bytes, parameter_counts, traffic_bytes
from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.runs.measured_speed import last_measured_speed
from cartoon_dist.train.schedule import PAPER_BATCH, Schedule, learning_rate_scale

_PAPER_PHOTOS, _PAPER_CARTOONS = 6659, 2000
_MIB, _GIB = 2**20, 2**30
_CARDS = (8, 24, 80)
"""Gigabytes of usual graphics cards."""


def describe_run(settings: TrainSettings, *, world_size: int, zero_stage: int = 0) -> str:
    """The run that these settings would make on so many processes, in words; the last line names its folder."""
    head = yaml.safe_dump(overrides.to_dict(settings), sort_keys=False, allow_unicode=True)
    sets = [_find(folder) for folder in (settings.data.photos, settings.data.cartoons)]
    parts = [_networks(settings), _steps(settings, world_size, sets), _memory(settings, world_size, zero_stage)]
    parts.append([_kept(settings, sets), _checkpoint(settings), *_followed(settings), _folder(settings)])
    return "\n".join([head, *(line for part in parts for line in [*part, ""])][:-1])


def _networks(settings: TrainSettings) -> list[str]:
    counts = parameter_counts(settings)
    lines = [f"  {name:<14}{count:>12,}" for name, count in counts.items() if count]
    return ["parameters", *lines, f"  {'together':<14}{sum(counts.values()):>12,}"]


def _steps(settings: TrainSettings, world_size: int, sets: Sequence[Manifest | str]) -> list[str]:
    photos, num_photos = _count(settings.data.photos, sets[0], _PAPER_PHOTOS)
    cartoons, num_cartoons = _count(settings.data.cartoons, sets[1], _PAPER_CARTOONS)
    schedule = Schedule(settings=settings, num_photos=num_photos, num_cartoons=num_cartoons)
    warmup, total = min(schedule.warmup_steps, schedule.total_steps), schedule.total_steps
    return [
        f"steps of {settings.batch_size} photos, {settings.batch_size} cartoons; "
        f"{world_size} process{'es' if world_size > 1 else ''} of {settings.batch_size // world_size} each"
        + (f", in {settings.accumulate} parts" if settings.accumulate > 1 else ""),
        f"  photos        {num_photos:>12,}  {photos}",
        f"  cartoons      {num_cartoons:>12,}  {cartoons}",
        f"  warm-up       {warmup:>12,}",
        f"  GAN           {total - warmup:>12,}  {settings.epochs:g} epochs unless max_steps ends them",
        f"  images        {total * settings.batch_size:>12,}",
        _time(settings, total),
        _learning_rates(settings),
    ]


def _learning_rates(settings: TrainSettings) -> str:
    if settings.scale_lr == "none":
        return (
            f"learning rates are taken as written: they do not change with batch_size ({settings.batch_size}; the "
            f"paper's is {PAPER_BATCH}) or the number of processes; scale_lr=linear|sqrt changes them with it"
        )
    return (
        f"learning rates times {learning_rate_scale(settings):.4g}: scale_lr={settings.scale_lr}, a batch of "
        f"{settings.batch_size} for the paper's {PAPER_BATCH}"
    )


def _time(settings: TrainSettings, total_steps: int) -> str:
    """The hours that are left, at the run's last measured speed; one line."""
    run = RunFolder(Path(settings.run_dir))
    speed = last_measured_speed(run.metrics)
    if speed is None:
        return "time: unknown until the run has measured it: start it, then ask again after its first log_every steps"
    left = max(0, total_steps - max(checkpoint.steps(run), default=0))
    hours = left * settings.batch_size / speed.images_per_second / 3600
    return (
        f"time: {hours:.3g} hours for the {left:,} steps left, at {speed.images_per_second:.3g} images a second as "
        f"measured at step {speed.step} ({speed.phase}), wherever that ran"
    )


def _count(folder: str, found: Manifest | str, otherwise: int) -> tuple[str, int]:
    """How many training samples a folder holds; where it is not there, as many as the paper had."""
    if isinstance(found, str):
        return f"the paper's number, as {found}", otherwise
    return f"training samples in {folder}", _num_train(found)


def _find(folder: str) -> Manifest | str:
    """The manifest of a folder or an address, or why there is none."""
    try:
        return find_remote(folder, RetryPolicy(tries=2)).manifest if is_remote(folder) else read_manifest(Path(folder))
    except ShardError as error:
        return str(error) if is_remote(folder) else f"{folder} is not there yet"


def _num_train(manifest: Manifest) -> int:
    return sum(shard.num_train for shard in manifest.shards)


def _memory(settings: TrainSettings, world_size: int, zero_stage: int) -> list[str]:
    memory = memory_bytes(settings, world_size=world_size, zero_stage=zero_stage)
    lines = [f"  {name:<14}{num / _GIB:>12.2f}" for name, num in memory.items()]
    sent = traffic_bytes(settings, world_size=world_size)
    fitting = [
        f"{largest_batch(settings, world_size=world_size, limit=limit * 10**9, zero_stage=zero_stage)} at {limit} GB"
        for limit in _CARDS
    ]
    return [
        "memory of a process, GiB, estimated" + (f", with ZeRO {zero_stage}" if zero_stage else ""),
        *lines,
        f"  {'together':<14}{sum(memory.values()) / _GIB:>12.2f}",
        f"largest batch: {', '.join(fitting)} a process, of a model measured on CPU",
        "",
        "traffic of a process, MiB a step, sent and as much received",
        f"  {'warm-up':<14}{sent['warmup'] / _MIB:>12.1f}",
        f"  {'GAN':<14}{sent['gan'] / _MIB:>12.1f}",
    ]


def _kept(settings: TrainSettings, sets: Sequence[Manifest | str]) -> str:
    """The memory that decoded pictures take, as `data.keep` keeps them; one line."""
    data = settings.data
    sizes = []
    for found, otherwise, channels in zip(sets, (_PAPER_PHOTOS, _PAPER_CARTOONS), (4, 6), strict=True):
        stored = settings.image_size if isinstance(found, str) or data.fit != "crop" else found.image_size
        num = otherwise if isinstance(found, str) else _num_train(found)
        sizes.append(num * stored**2 * channels)
    photos, cartoons = (f"{size:,}" for size in sizes)
    size = f"decoded pictures: {sum(sizes) / _GIB:.2f} GiB (bytes: {photos} of photos, {cartoons} of cartoons)"
    where = {
        "none": "not kept, as data.keep=none",
        "host": "kept in host memory, one copy a node",
        "device": "kept on each GPU; while they are decoded, in host memory too, one copy a node",
        "auto": "kept on each GPU or in host memory, one copy a node, or not at all, by what is free at the start",
    }
    return f"{size}, {where[data.keep]}"


def _checkpoint(settings: TrainSettings) -> str:
    size = checkpoint_bytes(settings) / _GIB
    return f"a checkpoint: {size:.2f} GiB on disk, and as much of process 0's host memory while it is written"


def _followed(settings: TrainSettings) -> list[str]:
    names = ", ".join(dict.fromkeys(settings.track))
    return [f"followed in {names}: project {settings.track_project}"] if names else []


def _folder(settings: TrainSettings) -> str:
    run = RunFolder(Path(settings.run_dir))
    begun = bool(checkpoint.steps(run))
    state = "goes on" if begun else "begins again" if run.config.exists() else "new"
    if settings.init_from is not None:
        state += ", init_from is not read" if begun else f", begins with the weights of {settings.init_from}"
    return f"run folder: {settings.run_dir} ({state}); nothing was written"
