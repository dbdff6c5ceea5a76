"""Runs every measurement, adds the results to bench.jsonl and prints them: `python -m bench`."""

from bench import labels
from bench.ratios import record, show, table

STAGES = (labels.main,)

if __name__ == "__main__":
    found = [measured for stage in STAGES for measured in stage()]
    for one in found:
        record(one)
    show(table(found))
