"""Pictures on disk -> a folder of shards: what shards/photos.py and shards/cartoons.py call."""

import argparse
import signal
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.commands.command_lines.shards import parser
from cartoon_dist.commands.main import EXIT_DONE, EXIT_STOPPED
from cartoon_dist.config import overrides
from cartoon_dist.config.command_line import SETTING, read_words, split
from cartoon_dist.config.commands import SliceSettings
from cartoon_dist.config.reading import read
from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.config.validation_errors import setting_paths
from cartoon_dist.console.command_names import command_name
from cartoon_dist.console.messages import print_message, print_result
from cartoon_dist.data.build.build_report import (
    ignored_lines,
    plan_lines,
    report_lines,
    settings_without_effect,
    summary_line,
)
from cartoon_dist.data.build.contact_sheet import write_contact_sheet
from cartoon_dist.data.build.job import job_settings, plan_job, read_job, require_pictures
from cartoon_dist.data.build.partition import parse_slice
from cartoon_dist.data.build.pipeline import BuildResult, build, translate_os_errors
from cartoon_dist.data.format.sample import Domain
from cartoon_dist.data.inputs.search import IgnoredFiles
from cartoon_dist.errors import ConfigError


def photos(words: Sequence[str]) -> int:
    """Photos -> shards of photo + saliency."""
    return _main("photo", words)


def cartoons(words: Sequence[str]) -> int:
    """Cartoons -> shards of cartoon + smoothed."""
    return _main("cartoon", words)


def _main(domain: Domain, words: Sequence[str]) -> int:
    arguments, part = read_command_line(words, domain)
    words_of_settings = arguments.settings
    if len(arguments.paths) < 2:
        raise ConfigError(
            f"give pictures and, last, the folder to write to: {command_name(f'shards {domain}s')} PICTURES... OUT"
        )
    *inputs, folder = arguments.paths
    settings = read(ShardSettings, [], words_of_settings)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stop by a scheduler is a stop by Ctrl-C
    try:
        ignored = IgnoredFiles()
        job = plan_job(inputs, domain=domain, settings=settings, folder=Path(folder), ignored=ignored, shown=True)
        shard_numbers = parse_slice(part.slice).shards(job.num_shards) if part.slice else None
        for line in settings_without_effect(job, settings, words_of_settings):
            print_message(f"warning: {line}")
        if arguments.dry_run:
            print(*plan_lines(job, folder, settings, ignored), sep="\n")
            return EXIT_DONE
        for line in ignored_lines(ignored):
            print_message(line)
        built = build(job, Path(folder), settings, shown=True, shard_numbers=shard_numbers)
    except KeyboardInterrupt:
        print_message(f"{folder}: stopped; finished shards are kept, the same command goes on")
        return EXIT_STOPPED
    _print_report(built, folder)
    print_result(summary_line(built, folder, ignored))
    return EXIT_DONE


def read_command_line(words: Sequence[str], domain: Domain = "photo") -> tuple[argparse.Namespace, SliceSettings]:
    """The paths in `paths`, the settings of the shards as words in `settings`, and which slice of them."""
    arguments = parser(domain).parse_args([word for word in words if not SETTING.match(word)])
    settings = [*arguments.renamed, *(word for word in words if SETTING.match(word))]
    own, arguments.settings = split(SliceSettings, settings, setting_paths(ShardSettings))
    return arguments, read_words(SliceSettings, own)


def build_slice(words: Sequence[str]) -> int:
    """Build a slice of the job that was begun in a folder; words: FOLDER K/N and settings of how it runs.

    A task of launch/submit.py. The job is read from the folder, so that not every node searches the inputs again.
    """
    folder, part, *settings_words = words
    job = read_job(Path(folder))
    settings = job_settings(job, Path(folder), **overrides.parse_overrides(settings_words))
    shard_numbers = parse_slice(part).shards(job.num_shards)
    require_pictures(job, shard_numbers)
    built = build(job, Path(folder), settings, shown=True, shard_numbers=shard_numbers)
    _print_report(built, folder)
    print_result(summary_line(built, folder))
    return EXIT_DONE


def _print_report(built: BuildResult, folder: str) -> None:
    """Print what a person wants to know of a build, on standard error, and write its contact sheet."""
    for line in report_lines(built, folder):
        print_message(line)
    if built.finished is not None:
        with translate_os_errors(Path(folder)):
            print_message(f"contact sheet: {write_contact_sheet(Path(folder))}")
