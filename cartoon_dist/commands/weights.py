"""`launch/weights.py`: fetch pretrained weights, for machines without internet too; list what there is."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist import pretrained
from cartoon_dist.commands.command_lines.weights import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.config.command_line import SETTING, read_words
from cartoon_dist.config.commands import WeightsSettings
from cartoon_dist.console.messages import print_message, print_result
from cartoon_dist.console.progress import Progress
from cartoon_dist.errors import ConfigError, WeightsError


def main(argv: Sequence[str]) -> int:
    """Fetch or list as the command line says; the exit status."""
    arguments, settings = read_command_line(argv)
    folder = Path(settings.weights_folder or pretrained.default_folder())
    if arguments.action == "list":
        show(folder)
    else:
        fetch(arguments.names or list(pretrained.KNOWN_WEIGHTS), folder)
    return EXIT_DONE


def read_command_line(argv: Sequence[str]) -> tuple[argparse.Namespace, WeightsSettings]:
    """`action`, the names of weights in `names`, and the settings."""
    arguments = parser().parse_args(argv)
    arguments.names = [word for word in arguments.words if not SETTING.match(word)]
    words = [*arguments.renamed, *(word for word in arguments.words if SETTING.match(word))]
    del arguments.words
    if arguments.action == "list" and arguments.names:
        raise ConfigError(f"{arguments.names[0]}: list takes no names, it lists all weights")
    return arguments, read_words(WeightsSettings, words)


def fetch(names: Sequence[str], folder: Path) -> None:
    """Fetch each; one that fails does not stop the others, and is named in the WeightsError at the end."""
    entries = [pretrained.known_weights(name) for name in names]  # a wrong name shows before anything is downloaded
    failures = []
    for name in names:
        try:
            print(_fetch(name, folder), flush=True)
        except WeightsError as error:
            failures.append(f"{name} ({error})")
    if failures:
        raise WeightsError(f"not fetched: {'; '.join(failures)}")
    print_result(f"{folder}/: {', '.join(entry.file for entry in entries)}")


def show(folder: Path) -> None:
    """Print a line for each known file: name, file, state, licence, source."""
    rows = [("name", "file", "state", "licence", "source")]
    for name, known in pretrained.KNOWN_WEIGHTS.items():
        rows.append((name, known.file, pretrained.file_state(name, folder), known.licence, str(known.source)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    num_present = sum(row[2] == "present" for row in rows)
    print_result(f"{folder}/: {num_present} of {len(pretrained.KNOWN_WEIGHTS)} present")


def _fetch(name: str, folder: Path) -> str:
    """What was done for these weights, as a line."""
    known = pretrained.known_weights(name)
    bars: list[Progress] = []

    def report(done: int, total: int) -> None:
        if total and not bars:
            bars.append(Progress(total=total, unit="bytes", label=name))
        for bar in bars:
            bar.update(done)

    print_message(f"{name}: looking for {known.source}")
    try:
        fetched = pretrained.fetch(name, folder, report)
    finally:
        for bar in bars:
            bar.close()
    return f"{name}: {folder / known.file} {'fetched' if fetched else 'was already there'}"
