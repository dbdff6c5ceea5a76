"""python launch/report.py RUN: a run's report, written again."""

from cartoon_dist.commands import report
from cartoon_dist.commands.main import run_command

if __name__ == "__main__":
    run_command(report.main)
