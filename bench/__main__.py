"""Runs every measurement, adds each to bench.jsonl when it is made and prints all: `python -m bench`."""

from bench import flattening, labels, reader, scale, scaling, scoring, stages, step
from bench.ratios import publish

STAGES = (labels.main, stages.main, reader.main, scale.main, step.main, scaling.main, scoring.main, flattening.main)

if __name__ == "__main__":
    publish(measured for stage in STAGES for measured in stage())
