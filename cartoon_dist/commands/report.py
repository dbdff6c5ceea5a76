"""`launch/report.py`: a run's report, written again."""

from collections.abc import Sequence

from cartoon_dist.commands.command_lines.report import parser
from cartoon_dist.commands.main import EXIT_DONE
from cartoon_dist.console.messages import print_result
from cartoon_dist.errors import CheckpointError
from cartoon_dist.report import page
from cartoon_dist.runs.layout import RunFolder


def main(argv: Sequence[str]) -> int:
    """Write the report of the run that the command line names; the exit status."""
    arguments = parser().parse_args(argv)
    run = RunFolder(arguments.run)
    try:
        print_result(page.write(run))
    except OSError as error:
        raise CheckpointError(f"{run.report}: cannot be written ({error.strerror}); make room and try again") from None
    return EXIT_DONE
