"""python launch/report.py RUN: a run's report, written again."""

from cartoon_dist.commands.dispatch import run_script

if __name__ == "__main__":
    run_script("report")
