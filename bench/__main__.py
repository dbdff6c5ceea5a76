"""Runs measurements, adds each to bench.jsonl when it is made and prints all: `python -m bench [NAME...]`."""

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import drawing, kept, labels, reader, scale, scaling, scoring, shard_job, step, superpixel_pool
from bench.ratios import FILE, Measured, publish, show

MEASUREMENTS: Mapping[str, Callable[[], Iterator[Measured]]] = {
    "labels": labels.main,
    "shard_job": shard_job.main,
    "reader": reader.main,
    "kept": kept.main,
    "scale": scale.main,
    "step": step.main,
    "scaling": scaling.main,
    "scoring": scoring.main,
    "superpixel_pool": superpixel_pool.main,
    "drawing": drawing.main,
}


def main(argv: Sequence[str], file: Path = FILE) -> int:
    """Adds to the file; 0 where all could be made, 1 where one failed: the others are made all the same."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"these alone; there are {', '.join(MEASUREMENTS)}")
    names = parser.parse_args(argv).names or list(MEASUREMENTS)
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    failed: list[str] = []
    publish((measured for name in names for measured in _made(name, failed)), file)
    for name in failed:
        show(f"{name}: failed, see above; alone: python -m bench {name}")
    return 1 if failed else 0


def _made(name: str, failed: list[str]) -> Iterator[Measured]:
    try:
        yield from MEASUREMENTS[name]()
    except Exception:  # noqa: BLE001  whatever it was, the other measurements are made
        traceback.print_exc()
        failed.append(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
