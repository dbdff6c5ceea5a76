"""Keeps decoded samples, says so, and waits to be killed; started by test_fill.py."""

import signal
import sys
from pathlib import Path

from cartoon_dist.console.messages import print_result
from cartoon_dist.data.load.fill import fill
from tests.data.load.keeping import streams, workers

if __name__ == "__main__":
    with workers(32, 1) as these:
        held = fill(streams(Path(sys.argv[1])), these)
        print_result("kept")
        signal.pause()
