"""`launch/weights.py`: fetch pretrained weights, for machines without internet too; list what there is."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist import pretrained
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.commands.path_options import place
from cartoon_dist.console.messages import result, say
from cartoon_dist.console.progress import Progress
from cartoon_dist.errors import WeightsError


def main(argv: Sequence[str]) -> int:
    """Fetch or list as the command line says; the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.action == "list":
        show(arguments.folder)
    else:
        fetch(arguments.names or list(pretrained.KNOWN), arguments.folder)
    return EXIT_DONE


def fetch(names: Sequence[str], folder: Path) -> None:
    """Fetch each; one that fails does not stop the others, and is named in the WeightsError at the end."""
    entries = [pretrained.known(name) for name in names]  # a wrong name shows before anything is downloaded
    failures = []
    for name in names:
        try:
            print(_fetch(name, folder), flush=True)
        except WeightsError as error:
            failures.append(f"{name} ({error})")
    if failures:
        raise WeightsError(f"not fetched: {'; '.join(failures)}")
    result(f"{folder}/: {', '.join(entry.file for entry in entries)}")


def show(folder: Path) -> None:
    """Print a line for each known file: name, file, state, licence, source."""
    rows = [("name", "file", "state", "licence", "source")]
    for name, known in pretrained.KNOWN.items():
        rows.append((name, known.file, pretrained.state(name, folder), known.licence, str(known.source)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    num_present = sum(row[2] == "present" for row in rows)
    result(f"{folder}/: {num_present} of {len(pretrained.KNOWN)} present")


def _fetch(name: str, folder: Path) -> str:
    """What was done for these weights, as a line."""
    known = pretrained.known(name)
    bars: list[Progress] = []

    def report(done: int, total: int) -> None:
        if total and not bars:
            bars.append(Progress(total=total, unit="bytes", label=name))
        for bar in bars:
            bar.update(done)

    say(f"{name}: looking for {known.source}")
    try:
        fetched = pretrained.fetch(name, folder, report)
    finally:
        for bar in bars:
            bar.close()
    return f"{name}: {folder / known.file} {'fetched' if fetched else 'was already there'}"


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--folder",
        type=place,
        default=pretrained.default_folder(),
        help=f"where the weights lie (default: ${pretrained.FOLDER_VARIABLE}, or weights/)",
    )
    parser = argparse.ArgumentParser(
        prog="launch/weights.py",
        description="Pretrained weights: the only command that downloads. Files are checked by their hashes.",
        epilog="example: python launch/weights.py fetch vgg19",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="fetch | list")
    fetching = actions.add_parser("fetch", parents=[where], help="download what is missing or damaged")
    fetching.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which (default: all): {', '.join(pretrained.KNOWN)}"
    )
    actions.add_parser("list", parents=[where], help="what is known, what is present, where it comes from, its licence")
    return parser
