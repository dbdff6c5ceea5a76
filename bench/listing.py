"""How long a shard job takes to list its pictures, before the first is decoded: `python -m bench.listing [N]`.

N empty files (100,000) in 20 folders of a temporary one; the list is made twice, as a job that is given again makes it.
"""

import sys
import tempfile
import time
from pathlib import Path

from cartoon_dist.config.shards import ShardSettings
from cartoon_dist.data.build.job import plan_job, write_or_check_job


def main(num_files: int) -> None:
    """Print the seconds of CPU time and of the clock for a first and a second listing."""
    with tempfile.TemporaryDirectory() as name:
        inputs, out = Path(name, "in"), Path(name, "out")
        out.mkdir()
        for index in range(num_files):
            folder = inputs / f"{index % 20:02d}"
            if index < 20:
                folder.mkdir(parents=True)
            (folder / f"{index:07d}.jpg").touch()
        for turn in ("first", "second"):
            cpu, clock = time.process_time(), time.monotonic()
            write_or_check_job(plan_job([str(inputs)], domain="photo", settings=ShardSettings(), folder=out), out)
            took = time.process_time() - cpu, time.monotonic() - clock
            sys.stdout.write(f"{turn}: {took[0]:.2f} s of CPU time, {took[1]:.2f} s by the clock\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
