"""python launch/report.py RUN: a run's report, written again."""

from cartoon_dist.commands import entry, report

if __name__ == "__main__":
    entry.run(report.main)
