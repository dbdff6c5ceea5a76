"""`launch/report.py`: a run's report, written again."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.console.messages import print_result
from cartoon_dist.errors import CheckpointError
from cartoon_dist.report import page
from cartoon_dist.runs.layout import RunFolder


def main(argv: Sequence[str]) -> int:
    """Write the report of the run that the command line names; the exit status."""
    parser = argparse.ArgumentParser(
        prog="launch/report.py",
        description="Write RUN/report.html again: sample pictures, curves, scores and settings in one file to open "
        "anywhere. Training and scoring write it by themselves.",
        epilog="example: python launch/report.py runs/demo",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    arguments = parser.parse_args(argv)
    run = RunFolder(arguments.run)
    try:
        print_result(page.write(run))
    except OSError as error:
        raise CheckpointError(f"{run.report}: cannot be written ({error.strerror}); make room and try again") from None
    return EXIT_DONE
