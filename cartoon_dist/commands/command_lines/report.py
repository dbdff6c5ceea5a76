"""The command line of `launch/report.py`."""

import argparse
from pathlib import Path

from cartoon_dist.console.command_names import command_line, command_name


def parser() -> argparse.ArgumentParser:
    """Of a run's report."""
    parser = argparse.ArgumentParser(
        prog=command_name("report"),
        description="Write RUN/report.html again: sample pictures, curves, scores and settings in one file to open "
        "anywhere. Training and scoring write it by themselves.",
        epilog=f"example: {command_line('report', 'runs/demo/run')}",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")
    return parser
