"""Pictures on disk -> a folder of shards: what shards/photos.py and shards/cartoons.py call."""

import argparse
import json
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED
from cartoon_dist.config import overrides
from cartoon_dist.config.command_line import SETTING, add_renamed, key_of, read_words, split
from cartoon_dist.config.commands import SliceSettings
from cartoon_dist.config.reading import read
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.escape import escape_line
from cartoon_dist.console.messages import first_few, pluralize, print_message, print_result
from cartoon_dist.data.build.contact_sheet import write_contact_sheet
from cartoon_dist.data.build.finalize import FinishedFolder
from cartoon_dist.data.build.job import Job, job_settings, plan_job, read_job, require_pictures
from cartoon_dist.data.build.partition import parse_slice
from cartoon_dist.data.build.pipeline import BuildResult, build, translate_os_errors
from cartoon_dist.data.format.manifest import MANIFEST, Manifest
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.inputs.search import IgnoredFiles
from cartoon_dist.errors import ConfigError

_NUM_SKIPPED_SHOWN = 20
_NUM_REASONS_SHOWN = 5
_MAKES = {
    "photo": "shards of photos, each with its saliency label",
    "cartoon": "shards of cartoons, each with its edge-smoothed copy",
}


def photos(words: Sequence[str]) -> int:
    """Photos -> shards of photo + saliency."""
    return _main("photo", words)


def cartoons(words: Sequence[str]) -> int:
    """Cartoons -> shards of cartoon + smoothed."""
    return _main("cartoon", words)


def _main(domain: Domain, words: Sequence[str]) -> int:
    arguments, part = read_command_line(words, domain)
    given = arguments.settings
    if len(arguments.paths) < 2:
        raise ConfigError(f"give pictures and, last, the folder to write to: shards/{domain}s.py PICTURES... OUT")
    *inputs, folder = arguments.paths
    settings = read(ShardSettings, [], given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop by a scheduler is a stop by Ctrl-C
    try:
        ignored = IgnoredFiles()
        job = plan_job(inputs, domain=domain, settings=settings, folder=Path(folder), ignored=ignored, shown=True)
        shard_numbers = parse_slice(part.slice).shards(job.num_shards) if part.slice else None
        warn_without_effect(job, settings, given)
        if arguments.dry_run:
            print_plan(job, folder, settings, ignored)
            return EXIT_DONE
        tell_left_out(ignored)
        built = build(job, Path(folder), settings, shown=True, shard_numbers=shard_numbers)
    except KeyboardInterrupt:
        print_message(f"{folder}: stopped; finished shards are kept, the same command goes on")
        return EXIT_STOPPED
    report(built, folder)
    print_result(summary(built, folder, ignored))
    return EXIT_DONE


def read_command_line(words: Sequence[str], domain: Domain = "photo") -> tuple[argparse.Namespace, SliceSettings]:
    """The paths in `paths`, the settings of the shards as words in `settings`, and which slice of them."""
    arguments = _parser(domain).parse_args([word for word in words if not SETTING.match(word)])
    settings = [*arguments.renamed, *(word for word in words if SETTING.match(word))]
    own, arguments.settings = split(SliceSettings, settings, setting_paths(ShardSettings))
    return arguments, read_words(SliceSettings, own)


def build_slice(words: Sequence[str]) -> int:
    """Build a slice of the job that was begun in a folder; words: FOLDER K/N and settings of how it runs.

    A task of launch/submit.py. The job is read from the folder, so that not every node searches the inputs again.
    """
    folder, part, *given = words
    job = read_job(Path(folder))
    settings = job_settings(job, Path(folder), **overrides.parse_overrides(given))
    shard_numbers = parse_slice(part).shards(job.num_shards)
    require_pictures(job, shard_numbers)
    built = build(job, Path(folder), settings, shown=True, shard_numbers=shard_numbers)
    report(built, folder)
    print_result(summary(built, folder))
    return EXIT_DONE


def _parser(domain: Domain) -> argparse.ArgumentParser:
    settings = ", ".join(f"{k}={v}" for k, v in overrides.flatten(overrides.to_dict(ShardSettings())).items())
    parser = argparse.ArgumentParser(
        prog=f"shards/{domain}s.py",
        usage=f"%(prog)s {domain.upper()}S... OUT [key=value ...] [--dry-run]",
        description=f"Make {_MAKES[domain]}. Run it again to go on where it stopped.",
        epilog=f"settings and their defaults: {settings}. slice=K/N: build the K-th of N parts of the shards, as one "
        "of N machines that write to the same folder. A path that looks like key=value is given as ./key=value.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="folders (searched through), globs, pictures, videos or .txt files of one path a line; last, the output "
        "folder",
    )
    add_renamed(parser, "--slice", "slice")
    parser.add_argument("--dry-run", action="store_true", help="print settings and counts, write nothing")
    return parser


def warn_without_effect(job: Job, settings: ShardSettings, given: Sequence[str]) -> None:
    """Tell of settings that were given and change nothing in this job."""
    reasons = {"saliency": "on cartoons"} if job.domain == "cartoon" else {}
    if not any(picture.frame for picture in job.pictures):
        reasons["video"] = "without a video"
    if settings.crop == "resize":
        reasons |= dict.fromkeys(("scales", "flat_below"), "with crop=resize")
    if settings.saliency.external is not None:
        reasons.setdefault("saliency.variant", "with saliency.external")
    if settings.test_fraction == 0:
        reasons["seed"] = "with test_fraction=0"
    for word in given:
        key = key_of(word)
        reason = reasons.get(key.split(".")[0]) or reasons.get(key)
        if reason:
            print_message(f"warning: {key} has no effect {reason}")


def tell_left_out(ignored: IgnoredFiles) -> None:
    """Say what a search did not take, on standard error."""
    for line in _left_out(ignored):
        print_message(line)


def _left_out(ignored: IgnoredFiles) -> Iterator[str]:
    yield from ignored.lines()
    if ignored.num_videos:
        yield f"videos are taken when they are named: give the {pluralize(ignored.num_videos, 'file')} as inputs too"


def beside(ignored: IgnoredFiles) -> str:
    """What was not taken, to follow a line that names what was made; empty when all was."""
    return f", {words}" if (words := ignored.in_words()) else ""


def print_plan(job: Job, folder: str, settings: ShardSettings, ignored: IgnoredFiles) -> None:
    """What a dry run says: the settings, and what the folder would hold."""
    for key, value in overrides.flatten(overrides.to_dict(settings)).items():
        print(f"{key}: {json.dumps(value)}")
    num_test = sum(picture.split == "test" for picture in job.pictures)
    num_scenes = len({picture.scene for picture in job.pictures})
    counts = pluralize(len(job.pictures), job.domain)
    print(f"pictures: {len(job.pictures)} under {job.root}, in {num_scenes} scenes")
    for line in _left_out(ignored):
        print(line)
    if any(picture.map_bytes is not None for picture in job.pictures):
        num_maps = sum(bool(picture.map_bytes) for picture in job.pictures)
        print(f"maps: {num_maps} of {len(job.pictures)} pictures have one")
    print(
        f"{folder}: would hold {counts} in {pluralize(job.num_shards, 'shard')} "
        f"({len(job.pictures) - num_test} train, {num_test} test){_before_tiling(job.settings)}; nothing written"
    )


def _before_tiling(settings: Mapping[str, object]) -> str:
    return ", before tiling" if settings["crop"] == "tile" else ""


def report(built: BuildResult, folder: str) -> None:
    """What a person wants to know of a build, on standard error, and its contact sheet."""
    if built.num_prepared:
        rate = built.num_prepared / max(built.seconds, 1e-9)
        print_message(f"rate: {built.num_prepared} prepared in {built.seconds:.3g} s, {rate:.3g} a second")
    for picture in built.damaged[:_NUM_SKIPPED_SHOWN]:
        print_message(f"warning: {escape_line(picture.source)}: {picture.reason}; taken as it is")
    if len(built.damaged) > _NUM_SKIPPED_SHOWN:
        print_message(f"warning: {len(built.damaged) - _NUM_SKIPPED_SHOWN} more damaged pictures were taken")
    if built.finished is None:
        return
    for picture in built.finished.manifest.skipped[:_NUM_SKIPPED_SHOWN]:
        print_message(f"skipped {picture.source}: {picture.reason}")
    for line in _figures(built.finished, folder):
        print_message(line)
    with translate_os_errors(Path(folder)):
        print_message(f"contact sheet: {write_contact_sheet(Path(folder))}")


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


def summary(built: BuildResult, folder: str, ignored: IgnoredFiles | None = None) -> str:
    """One line that names what was made: `OUT: 24 photos in 1 shard (22 train, 2 test), 0 skipped`, and what was not
    taken."""
    if built.finished is None:
        others = f"{pluralize(built.num_remaining, 'shard')} of other slices still to be built"
        return f"{folder}: {pluralize(built.num_new, 'shard')} built, {others}"
    line = f"{folder}: {counts(built.finished.manifest)}"
    line += beside(ignored or IgnoredFiles())
    return line if built.num_new else f"{line}; nothing left to do"


def counts(manifest: Manifest) -> str:
    """What a finished folder holds: `24 photos in 1 shard (22 train, 2 test), 0 skipped`."""
    num_train, num_test = sum(s.num_train for s in manifest.shards), sum(s.num_test for s in manifest.shards)
    made = f"{pluralize(num_train + num_test, manifest.domain)} in {pluralize(len(manifest.shards), 'shard')}"
    return f"{made} ({num_train} train, {num_test} test), {len(manifest.skipped)} skipped"
