"""Fills a followed run folder and waits to be killed: killed_run.py RUN."""

import sys
import threading
from pathlib import Path

from cartoon_dist.runs.layout import RunFolder
from cartoon_dist.train.run_log import RunLog
from cartoon_dist.train.trackers.follow import Followers
from tests.train.trackers.followed import write_step

if __name__ == "__main__":
    run = RunFolder(Path(sys.argv[1]))
    log = RunLog(run, step=0)
    with Followers(run, ["mlflow"]) as log.followers:
        for step in range(1, 4):
            write_step(run, log, step)
        sys.stdout.write("done\n")
        sys.stdout.flush()
        threading.Event().wait()
