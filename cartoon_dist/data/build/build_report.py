"""What is said of a shard job: its plan, what was not taken, what was built, and one line that names the result."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cartoon_dist.config import overrides
from cartoon_dist.config.command_line import key_of
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.console.escape import escape_line
from cartoon_dist.console.messages import first_few, pluralize
from cartoon_dist.data.build.finalize import FinishedFolder
from cartoon_dist.data.build.job import Job
from cartoon_dist.data.build.pipeline import BuildResult
from cartoon_dist.data.format.manifest import MANIFEST, Manifest
from cartoon_dist.data.inputs.search import IgnoredFiles

_NUM_SKIPPED_SHOWN = 20
_NUM_REASONS_SHOWN = 5


def settings_without_effect(job: Job, settings: ShardSettings, words: Sequence[str]) -> Iterator[str]:
    """A line for each `key=value` word that changes nothing in this job."""
    reasons = {"saliency": "on cartoons"} if job.domain == "cartoon" else {}
    if not any(picture.frame for picture in job.pictures):
        reasons["video"] = "without a video"
    if settings.crop == "resize":
        reasons |= dict.fromkeys(("scales", "flat_below"), "with crop=resize")
    if settings.saliency.external is not None:
        reasons.setdefault("saliency.variant", "with saliency.external")
    if settings.test_fraction == 0:
        reasons["seed"] = "with test_fraction=0"
    for word in words:
        key = key_of(word)
        reason = reasons.get(key.split(".")[0]) or reasons.get(key)
        if reason:
            yield f"{key} has no effect {reason}"


def ignored_lines(ignored: IgnoredFiles) -> Iterator[str]:
    """What a search did not take."""
    yield from ignored.lines()
    if ignored.num_videos:
        yield f"videos are taken when they are named: give the {pluralize(ignored.num_videos, 'file')} as inputs too"


def ignored_suffix(ignored: IgnoredFiles) -> str:
    """What was not taken, to follow a line that names what was made; empty when all was."""
    return f", {text}" if (text := ignored.in_words()) else ""


def plan_lines(job: Job, folder: str, settings: ShardSettings, ignored: IgnoredFiles) -> Iterator[str]:
    """What a dry run shows: the settings, and what the folder would hold."""
    for key, value in overrides.flatten(overrides.to_dict(settings)).items():
        yield f"{key}: {json.dumps(value)}"
    num_test = sum(picture.split == "test" for picture in job.pictures)
    num_scenes = len({picture.scene for picture in job.pictures})
    counts = pluralize(len(job.pictures), job.domain)
    yield f"pictures: {len(job.pictures)} under {job.root}, in {num_scenes} scenes"
    yield from ignored_lines(ignored)
    if any(picture.map_bytes is not None for picture in job.pictures):
        num_maps = sum(bool(picture.map_bytes) for picture in job.pictures)
        yield f"maps: {num_maps} of {len(job.pictures)} pictures have one"
    yield (
        f"{folder}: would hold {counts} in {pluralize(job.num_shards, 'shard')} "
        f"({len(job.pictures) - num_test} train, {num_test} test){_before_tiling(job.settings)}; nothing written"
    )


def _before_tiling(settings: Mapping[str, object]) -> str:
    return ", before tiling" if settings["crop"] == "tile" else ""


def report_lines(built: BuildResult, folder: str) -> Iterator[str]:
    """What a person wants to know of a build."""
    if built.num_prepared:
        rate = built.num_prepared / max(built.seconds, 1e-9)
        yield f"rate: {built.num_prepared} prepared in {built.seconds:.3g} s, {rate:.3g} a second"
    for picture in built.damaged[:_NUM_SKIPPED_SHOWN]:
        yield f"warning: {escape_line(picture.source)}: {picture.reason}; taken as it is"
    if len(built.damaged) > _NUM_SKIPPED_SHOWN:
        yield f"warning: {len(built.damaged) - _NUM_SKIPPED_SHOWN} more damaged pictures were taken"
    if built.finished is None:
        return
    for picture in built.finished.manifest.skipped[:_NUM_SKIPPED_SHOWN]:
        yield f"skipped {picture.source}: {picture.reason}"
    yield from _figures(built.finished, folder)


def _figures(finished: FinishedFolder, folder: str) -> Iterator[str]:
    skipped, shards = finished.manifest.skipped, finished.manifest.shards
    num_samples = sum(shard.num_samples for shard in shards)
    if len(skipped) > _NUM_SKIPPED_SHOWN:
        yield f"skipped {len(skipped) - _NUM_SKIPPED_SHOWN} more; {folder}/{MANIFEST} lists all"
    if skipped:
        reasons = Counter(picture.reason for picture in skipped).most_common(_NUM_REASONS_SHOWN)
        yield f"skipped: {len(skipped)}, mostly: " + "; ".join(f"{times} x {reason}" for reason, times in reasons)
    if finished.near_duplicates:
        near = finished.near_duplicates
        pairs = first_few([f"{picture.name} ~ {picture.of}" for picture in near])
        yield f"near-duplicates: {len(near)} ({pairs}); dedup=true, into a new folder, leaves them out"
    yield f"size: {sum(shard.bytes for shard in shards) / 1e6:.3g} MB, {finished.manifest.image_size} pixels square"
    if finished.manifest.domain == "photo":
        share = 100 * finished.num_flat_labels / num_samples
        yield f"flat labels: {finished.num_flat_labels} of {num_samples} ({share:.3g} %): nothing to look at"


def summary_line(built: BuildResult, folder: str, ignored: IgnoredFiles | None = None) -> str:
    """One line that names what was made: `OUT: 24 photos in 1 shard (22 train, 2 test), 0 skipped`, and what was not
    taken."""
    if built.finished is None:
        others = f"{pluralize(built.num_remaining, 'shard')} of other slices still to be built"
        return f"{folder}: {pluralize(built.num_new, 'shard')} built, {others}"
    line = f"{folder}: {describe_counts(built.finished.manifest)}"
    line += ignored_suffix(ignored or IgnoredFiles())
    return line if built.num_new else f"{line}; nothing left to do"


def describe_counts(manifest: Manifest) -> str:
    """What a finished folder holds: `24 photos in 1 shard (22 train, 2 test), 0 skipped`."""
    num_train, num_test = sum(s.num_train for s in manifest.shards), sum(s.num_test for s in manifest.shards)
    made = f"{pluralize(num_train + num_test, manifest.domain)} in {pluralize(len(manifest.shards), 'shard')}"
    return f"{made} ({num_train} train, {num_test} test), {len(manifest.skipped)} skipped"
