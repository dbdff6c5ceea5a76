"""Runs every measurement, adds each to bench.jsonl when it is made and prints all: `python -m bench`."""

from bench import drawing, kept, labels, reader, scale, scaling, scoring, shard_job, step, superpixel_pool
from bench.ratios import publish

MEASUREMENTS = (
    labels.main,
    shard_job.main,
    reader.main,
    kept.main,
    scale.main,
    step.main,
    scaling.main,
    scoring.main,
    superpixel_pool.main,
    drawing.main,
)

if __name__ == "__main__":
    publish(measured for main in MEASUREMENTS for measured in main())
