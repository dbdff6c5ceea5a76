"""`launch/report.py`: a run's report, written again; and how the other commands keep it up to date."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.console.messages import result, say
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
        result(page.write(run))
    except OSError as error:
        raise CheckpointError(f"{run.report}: cannot be written ({error.strerror}); make room and try again") from None
    return EXIT_DONE


class Refresher:
    """Writes a run's report anew as the run goes on. What keeps it from being written is said once and stops
    nothing."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.has_warned = False

    def refresh(self) -> None:
        """Write the report, from rank 0 alone; a run that ended before it began has nothing to show."""
        if not self.run.config.exists():
            return
        try:
            page.write(self.run)
        except OSError as error:
            self._warn(f"{self.run.report}: cannot be written ({error.strerror})")
        except CheckpointError as error:
            self._warn(str(error))

    def _warn(self, reason: str) -> None:
        if not self.has_warned:
            say(f"warning: {reason}; the run goes on without it")
        self.has_warned = True
