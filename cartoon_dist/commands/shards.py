"""Pictures on disk -> a folder of shards: what shards/photos.py and shards/cartoons.py call."""

import argparse
import json
import re
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED
from cartoon_dist.config import overrides
from cartoon_dist.config.reading import read
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.console.escape import on_a_line
from cartoon_dist.console.messages import count, result, say
from cartoon_dist.data.build.contact_sheet import write_contact_sheet
from cartoon_dist.data.build.finalize import Sealed
from cartoon_dist.data.build.job import Job, first_few, plan_job, read_job, require_pictures, settings_of
from cartoon_dist.data.build.partition import read_slice
from cartoon_dist.data.build.pipeline import Built, build, writing
from cartoon_dist.data.format.manifest import MANIFEST, Manifest
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.inputs.search import LeftOut
from cartoon_dist.errors import ConfigError

SETTING = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*=")
"""A word of the command line that is a setting."""
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
    chosen = _parser(domain).parse_args([word for word in words if not SETTING.match(word)])
    given = [word for word in words if SETTING.match(word)]
    if len(chosen.paths) < 2:
        raise ConfigError(f"give pictures and, last, the folder to write to: shards/{domain}s.py PICTURES... OUT")
    *inputs, folder = chosen.paths
    settings = read(ShardSettings, [], given)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop by a scheduler is a stop by Ctrl-C
    try:
        left = LeftOut()
        job = plan_job(inputs, domain=domain, settings=settings, folder=Path(folder), left=left, shown=True)
        numbers = read_slice(chosen.slice).shards(job.num_shards) if chosen.slice else None
        warn_without_effect(job, settings, given)
        if chosen.dry_run:
            print_plan(job, folder, settings, left)
            return EXIT_DONE
        tell_left_out(left)
        built = build(job, Path(folder), settings, shown=True, numbers=numbers)
    except KeyboardInterrupt:
        say(f"{folder}: stopped; finished shards are kept, the same command goes on")
        return EXIT_STOPPED
    report(built, folder)
    result(summary(built, folder, left))
    return EXIT_DONE


def build_slice(words: Sequence[str]) -> int:
    """Build a slice of the job that was begun in a folder; words: FOLDER K/N and settings of how it runs.

    A task of launch/submit.py. The job is read from the folder, so that not every node searches the inputs again.
    """
    folder, spelled, *given = words
    job = read_job(Path(folder))
    settings = settings_of(job, Path(folder), **overrides.nest_all(given))
    numbers = read_slice(spelled).shards(job.num_shards)
    require_pictures(job, numbers)
    built = build(job, Path(folder), settings, shown=True, numbers=numbers)
    report(built, folder)
    result(summary(built, folder))
    return EXIT_DONE


def _parser(domain: Domain) -> argparse.ArgumentParser:
    settings = ", ".join(f"{k}={v}" for k, v in overrides.flatten(overrides.plain(ShardSettings())).items())
    parser = argparse.ArgumentParser(
        prog=f"shards/{domain}s.py",
        usage=f"%(prog)s {domain.upper()}S... OUT [key=value ...] [--slice K/N] [--dry-run]",
        description=f"Make {_MAKES[domain]}. Run it again to go on where it stopped.",
        epilog=f"settings and their defaults: {settings}. A path that looks like key=value is given as ./key=value.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="folders (searched through), globs, pictures, videos or .txt files of one path a line; last, the output "
        "folder",
    )
    parser.add_argument(
        "--slice",
        metavar="K/N",
        help="build the K-th of N parts of the shards, as one of N machines that write to the same folder",
    )
    parser.add_argument("--dry-run", action="store_true", help="print settings and counts, write nothing")
    return parser


def warn_without_effect(job: Job, settings: ShardSettings, given: Sequence[str]) -> None:
    """Tell of settings that were given and change nothing in this job."""
    idle = {"saliency": "on cartoons"} if job.domain == "cartoon" else {}
    if not any(picture.frame for picture in job.pictures):
        idle["video"] = "without a video"
    if settings.crop == "resize":
        idle |= dict.fromkeys(("scales", "flat_below"), "with crop=resize")
    if settings.saliency.external is not None:
        idle.setdefault("saliency.variant", "with saliency.external")
    if settings.test_fraction == 0:
        idle["seed"] = "with test_fraction=0"
    for word in given:
        key = word.partition("=")[0]
        why = idle.get(key.split(".")[0]) or idle.get(key)
        if why:
            say(f"warning: {key} has no effect {why}")


def tell_left_out(left: LeftOut) -> None:
    """Say what a search did not take, on standard error."""
    for line in _left_out(left):
        say(line)


def _left_out(left: LeftOut) -> Iterator[str]:
    yield from left.lines()
    if left.num_films:
        yield f"videos are taken when they are named: give the {count(left.num_films, 'file')} as inputs too"


def beside(left: LeftOut) -> str:
    """What was not taken, to follow a line that names what was made; empty when all was."""
    return f", {words}" if (words := left.in_words()) else ""


def print_plan(job: Job, folder: str, settings: ShardSettings, left: LeftOut) -> None:
    """What a dry run says: the settings, and what the folder would hold."""
    for key, value in overrides.flatten(overrides.plain(settings)).items():
        print(f"{key}: {json.dumps(value)}")
    num_test = sum(picture.split == "test" for picture in job.pictures)
    num_scenes = len({picture.scene for picture in job.pictures})
    counts = count(len(job.pictures), job.domain)
    print(f"pictures: {len(job.pictures)} under {job.root}, in {num_scenes} scenes")
    for line in _left_out(left):
        print(line)
    if any(picture.map_bytes is not None for picture in job.pictures):
        num_maps = sum(bool(picture.map_bytes) for picture in job.pictures)
        print(f"maps: {num_maps} of {len(job.pictures)} pictures have one")
    print(
        f"{folder}: would hold {counts} in {count(job.num_shards, 'shard')} "
        f"({len(job.pictures) - num_test} train, {num_test} test){_before_tiling(job.settings)}; nothing written"
    )


def _before_tiling(settings: Mapping[str, object]) -> str:
    return ", before tiling" if settings["crop"] == "tile" else ""


def report(built: Built, folder: str) -> None:
    """What a person wants to know of a build, on standard error, and its contact sheet."""
    if built.num_prepared:
        rate = built.num_prepared / max(built.seconds, 1e-9)
        say(f"rate: {built.num_prepared} prepared in {built.seconds:.3g} s, {rate:.3g} a second")
    for picture in built.damaged[:_NUM_SKIPPED_SHOWN]:
        say(f"warning: {on_a_line(picture.source)}: {picture.reason}; taken as it is")
    if len(built.damaged) > _NUM_SKIPPED_SHOWN:
        say(f"warning: {len(built.damaged) - _NUM_SKIPPED_SHOWN} more damaged pictures were taken")
    if built.sealed is None:
        return
    for picture in built.sealed.manifest.skipped[:_NUM_SKIPPED_SHOWN]:
        say(f"skipped {picture.source}: {picture.reason}")
    for line in _figures(built.sealed, folder):
        say(line)
    with writing(Path(folder)):
        say(f"contact sheet: {write_contact_sheet(Path(folder))}")


def _figures(sealed: Sealed, folder: str) -> Iterator[str]:
    skipped, shards = sealed.manifest.skipped, sealed.manifest.shards
    num_samples = sum(shard.num_samples for shard in shards)
    if len(skipped) > _NUM_SKIPPED_SHOWN:
        yield f"skipped {len(skipped) - _NUM_SKIPPED_SHOWN} more; {folder}/{MANIFEST} lists all"
    if skipped:
        reasons = Counter(picture.reason for picture in skipped).most_common(_NUM_REASONS_SHOWN)
        yield f"skipped: {len(skipped)}, mostly: " + "; ".join(f"{times} x {reason}" for reason, times in reasons)
    if sealed.near_duplicates:
        near = sealed.near_duplicates
        pairs = first_few([f"{picture.name} ~ {picture.of}" for picture in near])
        yield f"near-duplicates: {len(near)} ({pairs}); dedup=true, into a new folder, leaves them out"
    yield f"size: {sum(shard.bytes for shard in shards) / 1e6:.3g} MB, {sealed.manifest.image_size} pixels square"
    if sealed.manifest.domain == "photo":
        share = 100 * sealed.num_flat_labels / num_samples
        yield f"flat labels: {sealed.num_flat_labels} of {num_samples} ({share:.3g} %): nothing to look at"


def summary(built: Built, folder: str, left: LeftOut | None = None) -> str:
    """One line that names what was made: `OUT: 24 photos in 1 shard (22 train, 2 test), 0 skipped`, and what was not
    taken."""
    if built.sealed is None:
        others = f"{count(built.num_open, 'shard')} of other slices still to be built"
        return f"{folder}: {count(built.num_new, 'shard')} built, {others}"
    line = f"{folder}: {counts(built.sealed.manifest)}"
    line += beside(left or LeftOut())
    return line if built.num_new else f"{line}; nothing left to do"


def counts(manifest: Manifest) -> str:
    """What a finished folder holds: `24 photos in 1 shard (22 train, 2 test), 0 skipped`."""
    num_train, num_test = sum(s.num_train for s in manifest.shards), sum(s.num_test for s in manifest.shards)
    made = f"{count(num_train + num_test, manifest.domain)} in {count(len(manifest.shards), 'shard')}"
    return f"{made} ({num_train} train, {num_test} test), {len(manifest.skipped)} skipped"
